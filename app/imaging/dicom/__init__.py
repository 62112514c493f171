"""DICOM files to gray pixels."""
