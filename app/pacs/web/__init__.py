"""Studies in a PACS, read over DICOMweb."""
