"""Files that are written whole or not at all."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from app.host.files import write_whole


@contextmanager
def small_files() -> Iterator[None]:
    """The kernel takes no file of more than 10 bytes, as a full disk would not.

    That goes for where pytest writes, too, so no longer than the block.
    """
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_a_file_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"before", b"after"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_what_does_not_fit_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with small_files(), pytest.raises(OSError, match="File too large"):
        write_whole(path, bytes(20))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
