"""A reading as DICOM objects, to be stored beside the image that was read: a module for each."""

from app.imaging.quiet import silence

# As pydicom, it quotes the values that it finds fault with.
silence("highdicom")
