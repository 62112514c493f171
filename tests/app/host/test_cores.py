import os
from pathlib import Path

import pytest

from app.host import cores


def group(folder: Path, **files: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(f"{text}\n")


def available(tmp_path: Path, own: str) -> int:
    (tmp_path / "own").write_text(own)
    return cores.available(tmp_path / "cgroup", tmp_path / "own")


@pytest.fixture(autouse=True)
def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        ("max 100000", 16),
        ("50000 100000", 1),
        ("200000 100000", 2),
        ("250000 100000", 3),
        ("6400000 100000", 16),
        ("nonsense", 16),
    ],
)
def test_the_quota_of_a_container(tmp_path: Path, limit: str, expected: int) -> None:
    group(tmp_path / "cgroup", cpu__max=limit)
    assert available(tmp_path, "0::/\n") == expected


def test_the_tightest_of_the_groups_above_counts(tmp_path: Path) -> None:
    group(tmp_path / "cgroup/a", cpu__max="300000 100000")
    group(tmp_path / "cgroup/a/b", cpu__max="800000 100000")
    assert available(tmp_path, "0::/a/b\n") == 3


def test_version_1(tmp_path: Path) -> None:
    group(tmp_path / "cgroup/cpu/a", cpu__cfs_quota_us="150000", cpu__cfs_period_us="100000")
    group(tmp_path / "cgroup/memory/a")
    assert available(tmp_path, "3:memory:/a\n2:cpu:/a\n") == 2


def test_version_1_without_a_quota(tmp_path: Path) -> None:
    group(tmp_path / "cgroup/cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert available(tmp_path, "2:cpu:/\n") == 16


def test_without_control_groups(tmp_path: Path) -> None:
    assert cores.available(tmp_path / "none", tmp_path / "none") == 16


def test_the_affinity_mask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {3})
    assert cores.available(tmp_path, tmp_path / "none") == 1


def test_this_process() -> None:
    assert 1 <= cores.available() <= 16
