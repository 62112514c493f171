import hashlib
import os
import stat
from functools import partial
from pathlib import Path

import pytest

from app.errors import SpoolFullError
from app.pacs.node.spool import WAITING, Room, Spool

IMAGE, ANSWER = b"image", {"overlay.dcm": b"overlay", "report.dcm": b"report"}
ROOM = Room(entries=3, aside=2, free_bytes=0)
NAME = hashlib.sha256(IMAGE).hexdigest()


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", ROOM)


def _again(spool: Spool, tmp_path: Path) -> Spool:
    """The spool as a new process finds it."""
    spool.close()
    return Spool(tmp_path / "spool", ROOM)


def _names(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def test_an_image_waits_as_it_came(spool: Spool) -> None:
    assert spool.put([b"im", memoryview(b"age")]) == NAME
    assert spool.waiting("received") == [NAME]
    assert spool.read(NAME) == IMAGE


def test_an_image_that_comes_twice_is_one_entry(spool: Spool) -> None:
    assert spool.put([IMAGE]) == spool.put([IMAGE])
    assert spool.depth("received") == 1


def test_an_image_of_two_senders_is_one_entry(spool: Spool) -> None:
    assert spool.put([b"of A", IMAGE], [IMAGE]) == spool.put([b"of B", IMAGE], [IMAGE]) == NAME
    assert spool.read(NAME) == b"of A" + IMAGE


def test_an_image_whose_results_wait_is_not_queued_again(spool: Spool) -> None:
    spool.answer(spool.put([IMAGE]), ANSWER)
    spool.put([IMAGE])
    assert (spool.depth("received"), spool.depth("results")) == (0, 1)


def test_an_image_that_comes_again_after_its_delivery_is_read_again(spool: Spool) -> None:
    spool.answer(spool.put([IMAGE]), ANSWER)
    for path in spool.files(NAME):
        path.unlink()
    spool.finish(NAME)
    spool.put([IMAGE])
    assert spool.waiting("received") == [NAME]


def test_the_oldest_comes_first(spool: Spool, tmp_path: Path) -> None:
    names = [spool.put([letter]) for letter in (b"a", b"b", b"c")]
    for age, name in zip((10, 30, 20), names, strict=True):
        path = tmp_path / "spool" / "received" / f"{name}.dcm"
        os.utime(path, (path.stat().st_atime, path.stat().st_mtime - age))
    assert spool.waiting("received") == [names[1], names[2], names[0]]
    assert spool.age("received") == pytest.approx(30, abs=5)
    assert spool.age("results") == 0


def test_a_full_spool_takes_nothing_but_what_it_has(spool: Spool) -> None:
    spool.answer(spool.put([IMAGE]), ANSWER)
    spool.put([b"a"])
    spool.put([b"b"])
    with pytest.raises(SpoolFullError, match="queue_full"):
        spool.put([b"c"])
    spool.put([b"b"])
    spool.put([IMAGE])
    assert (spool.depth("received"), spool.depth("results")) == (2, 1)


def test_nothing_is_removed_from_aside_to_make_room(spool: Spool) -> None:
    for image in (b"a", b"b"):
        spool.set_aside("received", spool.put([image]), "Broken.")
    with pytest.raises(SpoolFullError, match="aside_full"):
        spool.put([b"c"])
    assert spool.depth("aside") == 2


def test_so_much_of_the_disk_stays_free(spool: Spool, tmp_path: Path) -> None:
    spool.put([IMAGE])
    spool.close()
    full = Spool(tmp_path / "spool", ROOM._replace(free_bytes=spool.free_bytes() - 2**27))
    full.put([b"small"])
    with pytest.raises(SpoolFullError, match="disk_full"):
        full.put([bytes(2**28)])
    assert full.put([IMAGE]) == NAME


def test_what_arrives_is_told(spool: Spool) -> None:
    told: list[str] = []
    for stage in WAITING:
        spool.listen(stage, partial(told.append, stage))
    name = spool.put([IMAGE])
    assert told == ["received"]
    spool.answer(name, ANSWER)
    assert told == ["received", "results"]


def test_how_often_a_reading_ended_the_process_is_known_after_it(
    spool: Spool, tmp_path: Path
) -> None:
    spool.put([b"a"])
    name = spool.put([IMAGE])
    assert spool.suspects() == []
    assert [spool.begin(name), spool.begin(name)] == [1, 2]
    again = _again(spool, tmp_path)
    assert again.suspects() == [name]
    assert again.begin(name) == 3
    again.end(name)
    assert again.suspects() == []
    assert again.begin(name) == 1


def test_killed_before_a_reading_counted_as_ended(spool: Spool, tmp_path: Path) -> None:
    name = spool.put([IMAGE])
    spool.begin(name)
    spool.drop(name)
    again = _again(spool, tmp_path)
    again.put([IMAGE])
    assert again.suspects() == []


STRAYS = [
    "received/Jane_Doe.dcm",
    f"received/{NAME}",
    f"received/{'a' * 64}.dcm/",
    f"received/{'b' * 64}.dcm@",
    "results/Jane_Doe/",
    f"results/{'a' * 64}",
    f"results/{'b' * 64}@",
    "aside/Jane_Doe.dcm",
    f"attempts/{'a' * 64}/",
    "attempts/Jane_Doe",
]


def test_strays_are_told_once_and_passed_over(
    spool: Spool, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    spool.answer(spool.put([b"first"]), ANSWER)
    spool.put([IMAGE])
    root = tmp_path / "spool"
    for stray in STRAYS:
        if stray.endswith("/"):
            (root / stray).mkdir()
        elif stray.endswith("@"):
            (root / stray[:-1]).symlink_to("nowhere")
        else:
            (root / stray).write_bytes(b"DICM")
    again = _again(spool, tmp_path)
    for _ in range(3):
        assert again.waiting("received") == [NAME]
        assert len(again.waiting("results")) == 1
        assert again.depth("aside") == 0
        assert again.suspects() == []
    assert sorted(caplog.messages) == [
        "aside holds 1 that are no entries of the queue; passed over",
        "received holds 4 that are no entries of the queue; passed over",
        "results holds 3 that are no entries of the queue; passed over",
    ]
    again.drop(NAME)
    assert all((root / stray.rstrip("/@")).lstat() for stray in STRAYS)


def test_results_do_not_vanish_where_a_stray_has_their_name(spool: Spool, tmp_path: Path) -> None:
    name = spool.put([IMAGE])
    (tmp_path / "spool" / "results" / name).write_bytes(b"stray")
    with pytest.raises(OSError, match="directory"):
        spool.answer(name, ANSWER)
    assert spool.waiting("received") == [name]
    assert list((tmp_path / "spool" / "partial").iterdir()) == []


def test_results_replace_their_image_and_go_in_order(spool: Spool) -> None:
    spool.answer(spool.put([IMAGE]), ANSWER)
    assert spool.waiting("received") == []
    assert [path.read_bytes() for path in spool.files(NAME)] == [b"overlay", b"report"]


def test_what_is_dropped_is_gone(spool: Spool, tmp_path: Path) -> None:
    spool.drop(spool.put([IMAGE]))
    assert _names(tmp_path / "spool") == {".lock"}


def test_an_image_goes_aside_with_its_reason(spool: Spool, tmp_path: Path) -> None:
    spool.set_aside("received", spool.put([IMAGE]), "It is broken.")
    assert _names(tmp_path / "spool" / "aside") == {f"{NAME}.dcm", f"{NAME}.txt"}
    assert (tmp_path / "spool" / "aside" / f"{NAME}.txt").read_text() == "It is broken.\n"
    assert (spool.depth("received"), spool.depth("aside")) == (0, 1)


def test_results_go_aside_with_their_reason_however_often(spool: Spool, tmp_path: Path) -> None:
    for reason in ("First.", "Second."):
        spool.answer(spool.put([IMAGE]), ANSWER)
        spool.set_aside("results", NAME, reason)
    aside = {f"{NAME}/overlay.dcm", f"{NAME}/report.dcm", f"{NAME}.txt"}
    assert _names(tmp_path / "spool" / "aside") == aside
    assert (tmp_path / "spool" / "aside" / f"{NAME}.txt").read_text() == "Second.\n"
    assert (spool.depth("results"), spool.depth("aside")) == (0, 1)


@pytest.mark.parametrize("mask", [0o000, 0o022, 0o077])
def test_only_the_user_can_read_it(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        spool = Spool(tmp_path / "spool", ROOM)
        spool.put([b"a"])
        spool.set_aside("received", spool.put([b"b"]), "Broken.")
        spool.answer(spool.put([IMAGE]), ANSWER)
    finally:
        os.umask(before)
    spool.close()
    for path in [tmp_path / "spool", *(tmp_path / "spool").rglob("*")]:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_folders_that_were_open_are_closed(tmp_path: Path) -> None:
    (tmp_path / "spool" / "received").mkdir(parents=True, mode=0o755)
    Spool(tmp_path / "spool", ROOM).close()
    assert stat.S_IMODE((tmp_path / "spool" / "received").stat().st_mode) == 0o700


def test_one_process_holds_it(spool: Spool, tmp_path: Path) -> None:
    with pytest.raises(BlockingIOError):
        Spool(tmp_path / "spool", ROOM)


def test_it_outlives_a_restart(spool: Spool, tmp_path: Path) -> None:
    spool.put([b"a"])
    spool.answer(spool.put([IMAGE]), ANSWER)
    again = _again(spool, tmp_path)
    assert again.waiting("received") == [hashlib.sha256(b"a").hexdigest()]
    assert again.waiting("results") == [NAME]


def test_killed_while_an_image_was_written(spool: Spool, tmp_path: Path) -> None:
    (tmp_path / "spool" / "partial" / "tmp1").write_bytes(b"ima")
    again = _again(spool, tmp_path)
    assert _names(tmp_path / "spool") == {".lock"}
    assert again.waiting("received") == []


def test_killed_while_results_were_written(spool: Spool, tmp_path: Path) -> None:
    spool.put([IMAGE])
    (tmp_path / "spool" / "partial" / "tmp1").mkdir()
    (tmp_path / "spool" / "partial" / "tmp1" / "overlay.dcm").write_bytes(b"over")
    again = _again(spool, tmp_path)
    assert (again.waiting("received"), again.waiting("results")) == ([NAME], [])
    assert _names(tmp_path / "spool") == {".lock", f"received/{NAME}.dcm"}


def test_killed_before_an_answered_image_was_removed(spool: Spool, tmp_path: Path) -> None:
    spool.answer(spool.put([IMAGE]), ANSWER)
    (tmp_path / "spool" / "received" / f"{NAME}.dcm").write_bytes(IMAGE)
    again = _again(spool, tmp_path)
    assert (again.waiting("received"), again.waiting("results")) == ([], [NAME])


def test_killed_between_two_files_of_an_entry(spool: Spool, tmp_path: Path) -> None:
    spool.answer(spool.put([IMAGE]), ANSWER)
    spool.files(NAME)[0].unlink()
    again = _again(spool, tmp_path)
    assert [path.name for path in again.files(NAME)] == ["report.dcm"]


def test_killed_after_the_last_file_of_an_entry(spool: Spool, tmp_path: Path) -> None:
    spool.answer(spool.put([IMAGE]), ANSWER)
    for path in spool.files(NAME):
        path.unlink()
    again = _again(spool, tmp_path)
    assert (again.waiting("results"), again.files(NAME)) == ([NAME], [])
    again.finish(NAME)
    assert again.waiting("results") == []


def test_killed_between_the_reason_and_the_image(spool: Spool, tmp_path: Path) -> None:
    spool.put([IMAGE])
    (tmp_path / "spool" / "aside" / f"{NAME}.txt").write_text("Broken.\n")
    again = _again(spool, tmp_path)
    assert (again.waiting("received"), again.depth("aside")) == ([NAME], 0)
    again.set_aside("received", NAME, "Broken.")
    assert (again.waiting("received"), again.depth("aside")) == ([], 1)
