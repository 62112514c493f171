"""A reading as DICOM objects, to be stored beside the image that was read: a module for each."""
