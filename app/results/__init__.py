"""A reading as DICOM objects, to be stored beside the image that was read: a module for each."""

import logging
import warnings

# As pydicom, which `dicom_file` silences, it quotes the values that it finds fault with.
logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module="highdicom")
