import shutil
from pathlib import Path

import pytest

from benchmarks import load
from benchmarks.errors import BenchmarkError

OUTPUT = """\
Running 10s test @ http://127.0.0.1:8000/predict
  2 threads and 4 connections
Requests/sec:    101.00
{"microseconds":10000000,"p50":20000,"p95":30000,"p99":45000,"counts":{%s}}
"""
SOCKETS = '"connect":0,"read":0,"write":0,"timeout":0'


def test_the_output_is_read_in_seconds() -> None:
    found = load.parse(OUTPUT % f'"200":1010,{SOCKETS}', 0.07)
    assert found == load.Load(101.0, 0.02, 0.03, 0.045, {}, 0.07)


def test_only_answers_of_status_200_are_requests_served() -> None:
    counts = '"200":500,"503":40,"500":2,"connect":0,"read":3,"write":0,"timeout":1'
    found = load.parse(OUTPUT % counts, 0.0)
    assert found.requests_per_second == 50
    assert found.errors == {"500": 2, "503": 40, "read": 3, "timeout": 1}


def test_a_server_that_never_answers_serves_nothing() -> None:
    assert load.parse(OUTPUT % SOCKETS, 0.0).requests_per_second == 0


@pytest.mark.parametrize("output", ["", "unable to connect", "{}", "[]", '{"counts":{}}'])
def test_other_output_is_an_error(output: str) -> None:
    with pytest.raises(BenchmarkError, match="not understood"):
        load.parse(output, 0.0)


def test_a_missing_wrk_is_told_with_the_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BenchmarkError, match="apt-get install wrk"):
        load.check_wrk()


def fake_wrk(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = folder / "wrk"
    path.write_text(f"#!{shutil.which('sh')}\n{script}\n")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))


def test_wrk_is_told_what_to_send_and_its_output_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = OUTPUT.splitlines()[-1] % f'"200":10,{SOCKETS}'
    fake_wrk(tmp_path, f"echo \"$@\" > {tmp_path}/seen\necho '{line}'", monkeypatch)
    load.check_wrk()

    found = load.run(8000, "/predict", tmp_path / "form", 64, 10)

    seen = (tmp_path / "seen").read_text()
    assert "--connections=64 --threads=2 --duration=10s" in seen
    assert f"http://127.0.0.1:8000/predict -- {tmp_path}/form multipart/form-data" in seen
    assert "form-data; boundary=pneumoscope-benchmark-7d1f2c9ab04e\n" in seen
    assert found.requests_per_second == 1
    assert found.generator_cpu is not None
    assert 0 <= found.generator_cpu < 2


def test_a_single_connection_has_a_single_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_wrk(tmp_path, f'echo "$@" > {tmp_path}/seen\nexit 3', monkeypatch)
    with pytest.raises(BenchmarkError, match="wrk failed"):
        load.run(8000, "/predict", tmp_path / "form", 1, 10)
    assert "--connections=1 --threads=1 " in (tmp_path / "seen").read_text()


def test_a_pause_is_told_in_milliseconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_wrk(tmp_path, f'echo "$@" > {tmp_path}/seen\nexit 3', monkeypatch)
    with pytest.raises(BenchmarkError, match="wrk failed"):
        load.run(8000, "/predict", tmp_path / "form", 500, 10, 1.5)
    assert (tmp_path / "seen").read_text().endswith(" 1500\n")
