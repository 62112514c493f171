"""A reading as DICOM objects, to be stored beside the image that was read: a module for each."""

import logging
import warnings

from app.imaging import dicom_file  # noqa: F401  (silences pydicom)

# As pydicom, it quotes the values that it finds fault with.
logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module="highdicom")
