"""What is written for one image beside its row: the overlay, and the results in DICOM.

A file is named after the SHA-256 of the image that it is about, as the row has it. It is there
whole or not at all, and has the same bytes however often it is written.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.codes import NO_RESULT_IN_A_STUDY
from app.errors import ArchiveError
from app.host.files import write_whole
from app.imaging import overlay
from app.imaging.formats import DICOM
from app.reading.reader import Reader
from app.reading.reading import Reading


@dataclass(frozen=True)
class Outputs:
    """Where they go; nothing is written of what has no folder.

    Attributes:
        overlays: the folder of the Grad-CAM overlays, `SHA256.png`.
        dicom: the folder of the Secondary Captures, `SHA256-overlay.dcm`, and the Structured
            Reports, `SHA256-report.dcm`, of DICOM images.
    """

    overlays: Path | None = None
    dicom: Path | None = None

    @property
    def folders(self) -> list[Path]:
        return [folder for folder in (self.overlays, self.dicom) if folder]

    def prepare(self) -> None:
        """Make the folders.

        Raises:
            ArchiveError: one cannot be made.
        """
        for folder in self.folders:
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise ArchiveError(f"{folder} cannot be made: {error.strerror}.") from error

    async def write(self, reader: Reader, reading: Reading, data: bytes) -> None:
        """Write what is wanted of an image.

        Args:
            reader: that read it.
            reading: of the image.
            data: its file's bytes.

        Raises:
            ImageError: the DICOM image lacks what its results must refer to.
            ArchiveError: the disk does not take a file.
        """
        name = reading.radiograph.sha256
        if self.overlays:
            encode = partial(overlay.encode, media_type="image/png")
            picture, _, _ = await reader.render(reading, reading.target, encode)
            _put(self.overlays / f"{name}.png", picture)
        if (
            self.dicom
            and reading.radiograph.format == DICOM
            and NO_RESULT_IN_A_STUDY.isdisjoint(reading.warnings)
        ):
            await self._write_dicom(reader, reading, data, self.dicom / name)

    async def _write_dicom(self, reader: Reader, reading: Reading, data: bytes, stem: Path) -> None:
        # Here, since highdicom takes a second of a start that may never need it.
        from app.dicom_results.kinds import USUAL
        from app.dicom_results.source import read_source
        from app.dicom_results.written import written

        files = await written(reader, reading, read_source(data), USUAL)
        for kind, content in files.items():
            _put(stem.with_name(f"{stem.name}-{kind}.dcm"), content)


def _put(path: Path, content: bytes) -> None:
    try:
        write_whole(path, content)
    except OSError as error:
        raise ArchiveError(f"{path} cannot be written: {error.strerror}.") from error
