"""The fuzzer: that it finds what is wrong, and that for a moment it finds nothing in ours."""

import random

import pytest

from app.imaging.decode import decode
from benchmarks import fuzz
from benchmarks.images import samples


def test_a_sample_of_each_format_and_codec_is_read() -> None:
    formats = {decode(data).format for data in samples().values()}

    assert formats == {"JPEG", "PNG", "WEBP", "TIFF", "BMP", "DICOM"}


def test_the_same_seed_mutates_alike() -> None:
    data = samples()["PNG"]

    one, another = (fuzz.mutated(data, random.Random(3)) for _ in range(2))  # noqa: S311
    assert one == another
    assert one != data


def test_a_short_run_finds_nothing() -> None:
    outcome = fuzz.fuzz(3, seed=1)

    assert outcome.tried > 10
    assert {verdict for verdict, _ in outcome.findings.values()} == set()


@pytest.mark.parametrize(
    ("break_it", "found"),
    [
        ("os._exit(7)", "ended the process (7)"),
        ("raise KeyError", "raised KeyError"),
        ("bytearray(4 * 2**30)", "raised MemoryError"),
    ],
)
def test_what_is_wrong_is_found(break_it: str, found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # It reaches the process in the place of an image that is no image.
    monkeypatch.setattr(fuzz, "_decode_all", _Breaking(break_it))
    monkeypatch.setattr(fuzz, "mutated", lambda data, _: data)

    outcome = fuzz.fuzz(0.5, 1, {"bad": b"bad"})

    assert {verdict for verdict, _ in outcome.findings.values()} == {found}


_decode_all = fuzz._decode_all


class _Breaking:
    """The work of the process, with a decoder that does what it is told."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __call__(self, connection: object) -> None:
        def decode(data: bytes, max_pixels: int) -> None:
            if data == b"bad":
                exec(f"import os; {self._code}")  # noqa: S102

        setattr(fuzz, "decode", decode)  # noqa: B010
        _decode_all(connection)  # type: ignore[arg-type]
