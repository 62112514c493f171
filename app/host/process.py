"""What this program changes for its whole process: each by a call, and at most once.

An import changes nothing, so that a notebook, or another program that uses a part of this one,
keeps its own logging. `prepare` is for whatever starts a process; the others are for what is about
to use the library that they are about, which a service may never load.
"""

import atexit
import logging
import os
import warnings
from functools import cache
from tempfile import TemporaryDirectory

from prometheus_client import disable_created_metrics

# They quote what they read, which is a patient's, or log addresses with UIDs and credentials.
_QUOTING = (
    "PIL",
    "pydicom",
    "highdicom",
    "pynetdicom",
    "dicomweb_client",
    "urllib3",
    # pydicom's, where they are installed.
    "pylibjpeg",
    "libjpeg",
    "openjpeg",
)
# TensorFlow brings Keras and matplotlib. The one writes a configuration that nobody here reads, the
# other a list of fonts, both into the home directory. A folder that lasts also keeps ImageNet's
# weights, once a training has downloaded them.
_FOLDERS = ("KERAS_HOME", "MPLCONFIGDIR")


@cache
def prepare() -> None:
    """Silence the libraries that quote what they read, and leave out metrics of no use."""
    for library in _QUOTING:
        _silence(library)
    # Beside each counter, when it was made: of no use to Prometheus, and half of the answer.
    disable_created_metrics()  # type: ignore[no-untyped-call]


def _silence(library: str) -> None:
    """Drop whatever a library, its modules included, logs or warns of.

    A level silences the loggers below, too, but for those that have one of their own. These hand
    their records to the handlers above, so this one hands nothing on.
    """
    logger = logging.getLogger(library)
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    logger.setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=rf"{library}(\.|$)")


@cache
def accept_invalid_values() -> None:
    """Have pydicom read values that their representation forbids; they are checked where used."""
    from pydicom import config

    config.settings.reading_validation_mode = config.IGNORE


@cache
def use_a_temporary_folder() -> None:
    """Have Keras and matplotlib write into a folder that lasts as long as the process."""
    folder = TemporaryDirectory(prefix="pneumoscope-")
    atexit.register(folder.cleanup)
    for variable in _FOLDERS:
        os.environ.setdefault(variable, folder.name)
