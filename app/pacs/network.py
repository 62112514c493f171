"""What both ends of DICOM's network protocol (PS3.8) have in common here: silence."""

import logging
import warnings

from pynetdicom import _config

from app.imaging.dicom import file as dicom_file  # noqa: F401  (silences pydicom)

# As pydicom, it quotes what it gets: each of its modules has a logger under this one.
logging.getLogger("pynetdicom").setLevel(logging.CRITICAL + 1)
warnings.filterwarnings("ignore", module="pynetdicom")
# Else every message is made into text, for nobody.
_config.LOG_HANDLER_LEVEL = "none"
