"""In a process of its own, since pytest collects warnings and log records itself."""

import subprocess
import sys

SCRIPT = """
import logging, warnings
import app.imaging.decode, app.dicom_results.instance, dicomweb_client
from app.host import process
process.prepare()
logging.basicConfig(level=0)
for name in (
    "pydicom", "pydicom.pixels.decoders.base", "PIL", "PIL.TiffImagePlugin", "highdicom.base",
    "urllib3.connectionpool"
):
    logging.getLogger(name).critical("Doe^Jane")
    try:
        raise ValueError("Doe^Jane")
    except ValueError:
        logging.getLogger(name).exception("Doe^Jane")
    warnings.warn_explicit("Doe^Jane", UserWarning, "file.py", 1, module=name)
logging.getLogger("pneumoscope").info("This is logged.")
"""


IMPORTS = """
import logging, os
def state():
    from pydicom import config
    loggers = {
        name: (logger.level, logger.propagate, logger.disabled)
        for name, logger in logging.root.manager.loggerDict.items()
        if isinstance(logger, logging.Logger) and name in ("PIL", "pydicom", "highdicom", "urllib3")
    }
    folders = os.environ.get("KERAS_HOME"), os.environ.get("MPLCONFIGDIR")
    return loggers, folders, config.settings.reading_validation_mode
import PIL.Image, pydicom, highdicom, urllib3
before = state()
import app.main, app.cli, app.pacs.results, app.pacs.web.dicomweb
assert before == state(), (before, state())
"""


def test_an_import_changes_nothing() -> None:
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True)


def test_nothing_of_a_library_or_its_modules_is_logged_or_warned_of() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "default", "-c", SCRIPT], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "INFO:pneumoscope:This is logged.\n")
