"""In a process of its own, since pytest collects warnings and log records itself."""

import subprocess
import sys

SCRIPT = """
import logging, warnings
import app.imaging.dicom, app.imaging.decode, app.dicom_results.instance
logging.basicConfig(level=0)
for name in (
    "pydicom", "pydicom.pixels.decoders.base", "PIL", "PIL.TiffImagePlugin", "highdicom.base"
):
    logging.getLogger(name).critical("Doe^Jane")
    try:
        raise ValueError("Doe^Jane")
    except ValueError:
        logging.getLogger(name).exception("Doe^Jane")
    warnings.warn_explicit("Doe^Jane", UserWarning, "file.py", 1, module=name)
logging.getLogger("pneumoscope").info("This is logged.")
"""


def test_nothing_of_a_library_or_its_modules_is_logged_or_warned_of() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "INFO:pneumoscope:This is logged.\n")
