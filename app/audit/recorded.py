"""Reading images so that nothing is answered which the record does not hold."""

import asyncio
import hashlib
from typing import Any

from app.audit import entry
from app.audit.record import Record
from app.errors import ImageError
from app.reading.reader import Reader
from app.reading.reading import Reading


async def read(reader: Reader, data: bytes, record: Record | None, **asked: Any) -> Reading:
    """Read an image, and record what it is answered.

    Args:
        reader: the model.
        data: the image file's bytes.
        record: where the reading is written, if anywhere.
        asked: what the line says of who asked.

    Raises:
        ImageError: as `Reader.read`; that is recorded as well.
        NotRecordedError: the record cannot be written.
    """
    if record is None:
        return await reader.read(data)
    try:
        reading = await reader.read(data)
    except ImageError as error:
        digest = await asyncio.to_thread(_sha256, data)
        await record.append(asked | entry.of_problem(digest, error.code, reader.model))
        raise
    await record.append(asked | entry.of_reading(reading))
    return reading


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
