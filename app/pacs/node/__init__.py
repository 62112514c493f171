"""The DICOM node: images come in by C-STORE, are read, and their results go to the PACS."""
