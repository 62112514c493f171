"""The public Python API: what a notebook or another program may rely on.

    from app.api import Reader

    with Reader.from_store() as reader:
        reading = reader.read("xray.dcm")
        print(reading.label, reading.probability, reading.review)
        table = reader.read_frame(Path("xrays").glob("*.dcm"))

What `__all__` names stays as it is documented until the next major version; all other modules of
`app` may change with any. A reading here is the one that the service gives: the same decoder, model
and judgement.
"""

import asyncio
import os
import threading
from collections import deque
from collections.abc import AsyncIterator, Coroutine, Iterable, Iterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import asdict, replace
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

import numpy as np
import numpy.typing as npt
from pydicom import Dataset

from app.archive import read as archive
from app.archive.row import Row, empty
from app.errors import (
    ImageError,
    NoLungsError,
    NotReadyError,
    ProfileError,
    UnreadableImageError,
)
from app.imaging.overlay import Target
from app.reading import reader as serving
from app.reading.from_settings import load_reader
from app.reading.metrics import Metrics
from app.reading.model import Model
from app.reading.reading import Reading
from app.settings import Settings
from model_store.store import ModelError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ImageError", "ModelError", "NoLungsError", "ProfileError", "Reader", "Reading", "Row"]

Image = str | os.PathLike[str] | bytes | Dataset
T = TypeVar("T")


class Reader:
    """Reads chest X-rays, from any thread; close it, or use it as a context manager."""

    def __init__(self, settings: Settings) -> None:
        """Load the model that the settings name.

        Raises:
            ModelError: it is missing, not what its manifest says, or cannot be loaded or run.
            ProfileError: the site profile cannot be used.
        """
        self._reader = load_reader(settings, Metrics())
        # A notebook has a loop of its own, which must not be blocked.
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._running = _running(self._reader)
        try:
            self._wait(self._running.__aenter__())
        except BaseException:
            self._end_loop()
            raise

    @classmethod
    def from_store(
        cls, root: str | os.PathLike[str] | None = None, version: int | None = None, **settings: Any
    ) -> Self:
        """Load a model out of a model store.

        Args:
            root: the store's folder; without it what PNEUMOSCOPE_MODEL_STORE says, or else the one
                that comes with the project.
            version: the newest, if not given.
            settings: others of the service, in lower case, instead of their environment variables:
                `engine="openvino"`, `unsuitable="warn"`.

        Raises:
            ModelError: it is missing, not what its manifest says, or cannot be loaded or run.
            ProfileError: the site profile cannot be used.
            pydantic.ValidationError: a setting is none, or has a value that it cannot have.
        """
        chosen = {"model_store": root, "model_version": version}
        settings |= {name: value for name, value in chosen.items() if value is not None}
        return cls(Settings(**settings))

    @property
    def model(self) -> Model:
        """Which one reads: its name, version and digest, and the engine that computes it."""
        return self._reader.model

    def read(self, image: Image) -> Reading:
        """Read one image.

        Args:
            image: a file's path, its bytes, or a pydicom dataset.

        Raises:
            NoLungsError: it shows no lungs, and the settings do not say to answer all the same.
            ImageError: it cannot be read.
            OSError: the file cannot be opened.
        """
        return self._wait(self._reader.read(_bytes(image)))

    def read_many(self, images: Iterable[Image]) -> Iterator[Row]:
        """Read many images on all cores: a row for each, in their order, as they are ready.

        An image that cannot be read has a row with its `problem`, and ends nothing. However many
        there are, only a few are held at once.

        Args:
            images: as for `read`; a row's path is empty where the image is no file.
        """
        pending: deque[Future[Row]] = deque()
        try:
            for image in images:
                pending.append(self._submit(self._row(image)))
                if len(pending) >= self._reader.in_flight:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()

    def read_frame(self, images: Iterable[Image]) -> "pd.DataFrame":
        """Read many images, as `read_many` does, into a pandas DataFrame of the rows' attributes.

        Raises:
            ImportError: pandas is not installed.
        """
        import pandas as pd

        columns = list(Row.__dataclass_fields__)
        rows = [asdict(row) for row in self.read_many(images)]
        # So that what is missing leaves whole numbers and truths what they are.
        return pd.DataFrame(rows, columns=columns).convert_dtypes()

    def overlay(self, reading: Reading, target: Target | None = None) -> npt.NDArray[np.uint8]:
        """Where the model looked: the Grad-CAM over the image, uint8 `[height, width, 3]` in RGB.

        Args:
            reading: what `read` gave.
            target: what the colours argue for, `pneumonia` or `normal`; by default the side of the
                threshold that the probability is on.
        """
        kept: list[npt.NDArray[np.uint8]] = []

        def keep(picture: npt.NDArray[np.uint8]) -> bytes:
            kept.append(np.ascontiguousarray(picture[:, :, ::-1]))
            return b""

        self._wait(self._reader.render(reading, target or reading.target, keep))
        return kept[0]

    def close(self) -> None:
        """Stop the threads; the reader reads nothing after that."""
        if self._thread.is_alive():
            self._wait(self._running.__aexit__(None, None, None))
            self._end_loop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _end_loop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _row(self, image: Image) -> Row:
        path = image if isinstance(image, str | os.PathLike) else ""
        row = empty(path, self._reader.model)
        try:
            data = await asyncio.to_thread(_bytes, image)
        except ImageError as error:
            return row.failed(error.code, str(error))
        except OSError as error:
            return archive.unreadable(row, error)
        digest = sha256(data).hexdigest()
        row, _ = await archive.read(self._reader, replace(row, sha256=digest), data)
        return row

    def _submit(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def _wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self._submit(work).result()


@asynccontextmanager
async def _running(reader: serving.Reader) -> AsyncIterator[None]:
    async with reader.running():
        try:
            await reader.ready()
        except NotReadyError as error:
            raise ModelError("The model failed its warm-up.") from error
        yield


def _bytes(image: Image) -> bytes:
    """A file as bytes.

    Raises:
        UnreadableImageError: a dataset cannot be written as a file.
        OSError: a file cannot be opened.
    """
    if isinstance(image, bytes):
        return image
    if not isinstance(image, Dataset):
        return Path(image).read_bytes()
    file = BytesIO()
    try:
        image.save_as(file, enforce_file_format=True)
    # It raises whatever its values bring about.
    except Exception as error:
        raise UnreadableImageError("The dataset cannot be written as a DICOM file.") from error
    return file.getvalue()
