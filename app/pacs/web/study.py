"""Reading the radiographs of a study where they lie, and storing the results beside them."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import Literal

from pydicom import Dataset, dcmread

from app.dicom_results.kinds import KINDS
from app.errors import (
    DeferredError,
    ImageError,
    MissingError,
    NotReadError,
    NotRecordedError,
    RefusedError,
    UnreachableError,
)
from app.pacs.destinations import Destination
from app.pacs.results import Selection, results_of
from app.pacs.web.archive import Archive
from app.reading.reader import Reader

Kind = Literal["stored", "not_for_the_model", "bad", "refused", "missing", "failed"]

# What each error makes of an image.
_KINDS: dict[type[Exception], Kind] = {
    ImageError: "bad",
    RefusedError: "refused",
    MissingError: "missing",
    DeferredError: "failed",
    NotRecordedError: "failed",
}
_UIDS = ["StudyInstanceUID", "SeriesInstanceUID", "SOPClassUID", "SOPInstanceUID"]


@dataclass(frozen=True)
class Outcome:
    """What became of an image.

    Attributes:
        image: its SOP Instance UID.
        kind: `stored`, and its results are; `not_for_the_model`, or so it seems; `bad`, and will
            be the next time, or `refused` as its results are; `missing` in the PACS, or `failed`,
            and either may do better.
        said: in words, which quote nothing of the image.
        results: the UIDs of what the PACS stored: of study, series, SOP class and instance.
    """

    image: str
    kind: Kind
    said: str
    results: tuple[Dataset, ...] = ()


class StudyReader:
    """The model, between a PACS and itself."""

    def __init__(
        self,
        reader: Reader,
        archive: Archive,
        destinations: Mapping[str, Destination],
        selection: Selection,
    ) -> None:
        """Prepare to read.

        Args:
            reader: the model.
            archive: the PACS.
            destinations: of results, by their kinds.
            selection: which images are read, and which results they get.
        """
        self.reader, self.archive, self._destinations = reader, archive, destinations
        self._selection = selection

    async def read(self, images: Iterable[Dataset], apart: bool = False) -> AsyncIterator[Outcome]:
        """Read images one after the other, and store the results of each.

        The report goes last, since it is what tells that an image was read: where this ends in
        between, the next time stores nothing twice and leaves nothing out.

        Args:
            images: as `Archive.unread` gives them.
            apart: have the results kept beside those that an image has already.

        Raises:
            UnreachableError: the PACS does not answer, or is too busy.
        """
        for image in images:
            outcome = await self._read(image, apart)
            if outcome:
                yield outcome

    async def _read(self, image: Dataset, apart: bool) -> Outcome | None:
        """Read an image; None where it is a result of this program."""
        uid = str(image.SOPInstanceUID)
        try:
            return await self._answer(image, apart)
        except NotReadError as why:
            return Outcome(uid, "not_for_the_model", f"not read: {why}")
        except tuple(_KINDS) as error:
            kind = next(kind for type_, kind in _KINDS.items() if isinstance(error, type_))
            return Outcome(uid, kind, str(error))
        except UnreachableError:
            raise
        # The engine's and the libraries' errors are of many types, and may quote the image.
        except Exception as error:
            return Outcome(uid, "failed", f"Reading failed with {type(error).__name__}.")

    async def _answer(self, image: Dataset, apart: bool) -> Outcome | None:
        data = await asyncio.to_thread(self.archive.retrieve, image)
        if data is None:
            return None
        results = await results_of(self.reader, data, self._selection)
        if apart:
            results = results.apart(hashlib.sha256(data).hexdigest())
        were_held = [
            await asyncio.to_thread(self._destinations[kind].store, [file])
            for kind, file in results.files.items()
        ]
        stored = "results held by the PACS already" if any(were_held) else "results stored"
        said = f"{results.label} {results.probability:.4f}, {stored}"
        objects = (file for kind, file in results.files.items() if kind in KINDS)
        return Outcome(str(image.SOPInstanceUID), "stored", said, tuple(map(_uids, objects)))


def _uids(file: bytes) -> Dataset:
    return dcmread(BytesIO(file), stop_before_pixels=True, specific_tags=_UIDS)
