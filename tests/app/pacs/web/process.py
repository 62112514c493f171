"""`pneumoscope read` as a process of its own, and radiographs for it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

from pydicom.uid import generate_uid

from tests import synthetic
from tests.app.dicom_results import given
from tests.app.imaging.dicom.dicoms import dicom

_COMMAND = [sys.executable, "-c", "from app.cli import cli; cli()", "read", "--dicomweb"]
SECONDS = 180


def radiograph(seed: int, **elements: object) -> bytes:
    """A drawn chest in a study of today, of a patient whose name is told nowhere."""
    header = given.HEADER | {
        "StudyInstanceUID": generate_uid(),
        "SeriesInstanceUID": generate_uid(),
        "SOPInstanceUID": generate_uid(),
        "StudyDate": f"{date.today():%Y%m%d}",
    }
    return dicom(synthetic.chest(seed, pneumonia=bool(seed % 2)), **(header | elements))


def ended(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end.

    Args:
        environment: its variables.
        arguments: the URL of the PACS, and options.
    """
    return subprocess.run(
        [*_COMMAND, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
    )


@contextmanager
def running(
    environment: dict[str, str], log: Path, *arguments: str
) -> "Iterator[subprocess.Popen[bytes]]":
    """Run it while the block runs.

    Args:
        environment: its variables.
        log: a file to which its log is added.
        arguments: the URL of the PACS, and options.
    """
    with (
        log.open("ab") as file,
        subprocess.Popen([*_COMMAND, *arguments], env=environment, stderr=file) as process,
    ):
        try:
            yield process
        finally:
            process.kill()
