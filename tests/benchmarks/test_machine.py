import platform
import shutil
from importlib.metadata import version
from pathlib import Path

import pytest

from benchmarks import machine


def test_the_machine_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrk = tmp_path / "wrk"
    wrk.write_text(f"#!{shutil.which('sh')}\necho 'wrk 4.1.0 [epoll] Copyright'\nexit 1\n")
    wrk.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Abacus 3000\n")
    (tmp_path / "meminfo").write_text("MemFree: 7 kB\nMemTotal:       25165824 kB\n")

    told = machine.describe(tmp_path)

    assert told["CPU"].startswith("Abacus 3000, ")
    assert told["memory"] == "24 GiB"
    assert told["wrk"] == "4.1.0"
    assert told["Python"] == platform.python_version()
    assert told["openvino"] == version("openvino")


def test_what_is_not_installed_or_unknown_is_told_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_PACKAGES", ("no-such-package",))
    (tmp_path / "cpuinfo").write_text("")
    (tmp_path / "meminfo").write_text("")
    told = machine.describe(tmp_path)
    assert told["no-such-package"] == "not installed"
    assert told["memory"] == "unknown"
