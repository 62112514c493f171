import os
import sys
from pathlib import Path

import pytest

from benchmarks import server
from benchmarks.client import NotYetError, ask
from benchmarks.errors import BenchmarkError
from benchmarks.roster import Contestant
from tests.benchmarks import made


def stub(mode: str) -> Contestant:
    return Contestant(mode, (sys.executable, "-m", "tests.benchmarks.stub", "{port}", mode))


@pytest.mark.parametrize("mode", ["ok", "late", "list"])
def test_a_server_is_started_asked_and_ended(mode: str) -> None:
    upload = made.upload()
    with server.serving(stub(mode), upload) as served:
        assert ask(served.port, "/predict", upload) == 0.25
        assert served.memory > 1_000_000
        assert served.start > 0
    assert not Path(f"/proc/{served.pid}").exists()
    with pytest.raises(NotYetError, match="no answer"):
        ask(served.port, "/predict", upload)


@pytest.mark.parametrize(
    ("mode", "told"),
    [
        ("dead", "ended with 1: the model is missing"),
        ("broken", "answered 422: no field named file"),
        ("wordless", "without a probability"),
    ],
)
def test_a_server_that_does_not_do_the_job_is_told(mode: str, told: str) -> None:
    with pytest.raises(BenchmarkError, match=told), server.serving(stub(mode), made.upload()):
        pytest.fail("it was taken for a server")


def test_patience_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "_PATIENCE", 0.1)
    idle = Contestant("idle", (sys.executable, "-c", "import time; print('hm'); time.sleep(60)"))
    with pytest.raises(BenchmarkError, match="no answer"), server.serving(idle, made.upload()):
        pytest.fail("it was taken for a server")


def test_a_command_that_is_not_there_is_told(tmp_path: Path) -> None:
    nothing = Contestant("nothing", (str(tmp_path / "nothing"),))
    refused = pytest.raises(BenchmarkError, match="cannot be started")
    with refused, server.serving(nothing, made.upload()):
        pytest.fail("it was taken for a server")


def test_the_environment_names_the_port(tmp_path: Path) -> None:
    code = f"import os; open({str(tmp_path / 'seen')!r}, 'w').write(os.environ['WHERE'])"
    contestant = Contestant("c", (sys.executable, "-c", code), environment={"WHERE": "at {port}"})
    with pytest.raises(BenchmarkError), server.serving(contestant, made.upload()):
        pass
    assert (tmp_path / "seen").read_text().removeprefix("at ").isdecimal()
    assert "WHERE" not in os.environ
