"""Beside a PACS: radiographs come in over DICOM's networks, and results go back the same way."""
