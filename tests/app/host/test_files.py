import resource
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.host.files import write_whole


@pytest.fixture
def small_files() -> Iterator[None]:
    """The kernel takes no file of more than 10 bytes, as a full disk would not."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_file_is_written_over(tmp_path: Path) -> None:
    path = tmp_path / "a"
    for content in (b"before", b"after"):
        write_whole(path, content)
        assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.usefixtures("small_files")
def test_what_does_not_fit_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"before")
    with pytest.raises(OSError, match="File too large"):
        write_whole(path, bytes(20))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]
