import asyncio
from collections.abc import AsyncGenerator
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from starlette.datastructures import Headers, UploadFile
from starlette.formparsers import MultiPartParser

from benchmarks import uploads
from benchmarks.errors import BenchmarkError
from tests.benchmarks import made


def opened(upload: uploads.Upload) -> Image.Image:
    return Image.open(BytesIO(upload.jpeg))


def test_a_drawing_is_sent_where_there_is_no_xray(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(uploads.ORIGINALS, raising=False)
    small, original = uploads.uploads()
    assert (small.name, original.name) == ("small", "original")
    assert opened(small).size == small.size == (224, 224)
    assert opened(original).size == original.size == (1700, 1250)
    assert opened(small).mode == opened(original).mode == "L"
    assert 200_000 < len(original.jpeg) < 500_000
    assert original.description.startswith("a drawn X-ray, 1700 x 1250, ")


def test_the_xray_nearest_to_2_megapixels_is_sent_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "NORMAL").mkdir()
    for name, size in (("a", (600, 500)), ("b", (1500, 1300)), ("c", (2400, 2000))):
        Image.new("L", size).save(tmp_path / "NORMAL" / f"{name}.jpeg")
    monkeypatch.setenv(uploads.ORIGINALS, str(tmp_path))
    small, original = uploads.uploads()
    assert original.jpeg == (tmp_path / "NORMAL" / "b.jpeg").read_bytes()
    assert original.size == (1500, 1300)
    assert opened(small).size == (224, 224)
    assert original.source == "a real X-ray"


def test_a_folder_without_a_jpeg_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(uploads.ORIGINALS, str(tmp_path))
    with pytest.raises(BenchmarkError, match="no JPEG"):
        uploads.uploads()


def test_the_body_is_a_form_with_the_file() -> None:
    upload = made.upload()

    async def read() -> tuple[bytes, str | None]:
        async def chunks() -> AsyncGenerator[bytes]:
            yield upload.body

        headers = Headers({"content-type": uploads.CONTENT_TYPE})
        form = await MultiPartParser(headers, chunks()).parse()
        file = form["file"]
        assert isinstance(file, UploadFile)
        return await file.read(), file.content_type

    assert asyncio.run(read()) == (upload.jpeg, "image/jpeg")
