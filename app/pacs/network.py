"""What both ends of DICOM's network protocol (PS3.8) have in common here: silence."""

from pynetdicom import _config


def make_no_text() -> None:
    """Have pynetdicom make no text of messages, which nobody would read: it is silenced."""
    _config.LOG_HANDLER_LEVEL = "none"
