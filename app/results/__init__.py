"""A reading as DICOM objects, to be stored beside the image that was read: a module for each."""

import logging
import warnings

import pydicom

# Both libraries quote the values that they find fault with, which are a patient's.
pydicom.config.logger.disabled = True
logging.getLogger("highdicom").setLevel(logging.CRITICAL + 1)
for _library in ("pydicom", "highdicom"):
    warnings.filterwarnings("ignore", module=_library)
