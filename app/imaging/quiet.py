"""Libraries that quote what they read, which is a patient's, kept out of the log."""

import logging
import warnings


def silence(library: str) -> None:
    """Drop whatever a library, its modules included, logs or warns of.

    A logger that is disabled, or has a level, silences itself and not the loggers below it, which
    hand their records to the handlers above. So this one hands nothing on.

    Args:
        library: the name of its package, and of its uppermost logger.
    """
    logger = logging.getLogger(library)
    logger.handlers = [logging.NullHandler()]
    logger.propagate = False
    warnings.filterwarnings("ignore", module=rf"{library}(\.|$)")
