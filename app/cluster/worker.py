"""What each actor of the cluster does: read batches of files with one model."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from hashlib import sha256
from typing import Any

import numpy as np
import pyarrow as pa

from app.api import Reader
from app.archive.read import too_large, unreadable
from app.archive.row import Row, empty
from app.cluster import places
from app.cluster.places import Place
from app.settings import Settings

KNOWN = "known"
COLUMNS = pa.schema([(name, pa.string()) for name in (*Place._fields, KNOWN)])
"""Of a batch: where the files are, and the SHA-256 of one that has a row already."""

Column = np.ndarray[Any, Any]


class Worker:
    """Loads the model once."""

    def __init__(self, settings: Mapping[str, Any], max_bytes: int) -> None:
        """Load the model.

        Args:
            settings: the service's, by their names.
            max_bytes: of a file; larger ones are not read.

        Raises:
            ModelError: it is missing on this machine, or cannot be loaded.
        """
        self._reader = Reader(Settings(**settings))
        self._max_bytes = max_bytes

    def __call__(self, batch: Mapping[str, Column]) -> dict[str, Column]:
        """Read the files of a batch.

        Args:
            batch: by the names of `COLUMNS`.

        Returns:
            `row`, in JSON, and `known`, whether the file is as it was: then its row has only a path
            and a SHA-256.
        """
        rows = list(self._rows(batch))
        return {
            "row": np.array([json.dumps(asdict(row)) for row, _ in rows]),
            KNOWN: np.array([known for _, known in rows]),
        }

    def _rows(self, batch: Mapping[str, Column]) -> Iterator[tuple[Row, bool]]:
        read: list[str] = []
        others: list[tuple[Row, bool]] = []

        def images() -> Iterator[bytes]:
            """What is to be read, one by one, so that few are held."""
            for folder, path, known in zip(*(batch[name] for name in COLUMNS.names), strict=True):
                file = Place(folder, path)
                row = empty(file.name, self._reader.model)
                try:
                    data = places.read(file, self._max_bytes)
                except OSError as error:
                    others.append((unreadable(row, error), False))
                    continue
                if data is None:
                    others.append((too_large(row, self._max_bytes), False))
                elif known and (digest := sha256(data).hexdigest()) == known:
                    others.append((replace(row, sha256=digest), True))
                else:
                    read.append(file.name)
                    yield data

        for index, row in enumerate(self._reader.read_many(images())):
            yield replace(row, path=read[index]), False
        yield from others
