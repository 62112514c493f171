"""The command before it has loaded anything, as a process of its own."""

import signal
import subprocess
import sys

# Says when it is about to import what takes long, and never comes to its end.
_HELD_UP = """
import sys, time, types
class Slow:
    def find_spec(self, name, path=None, target=None):
        if name == "app.cli":
            print("loading", flush=True)
            time.sleep(60)
sys.meta_path.insert(0, Slow())
from app.start import main
main()
"""


def test_sigterm_ends_it_while_it_loads() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _HELD_UP], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "loading\n"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 128 + signal.SIGTERM


def test_it_imports_nothing_heavy_before() -> None:
    heavy = ("numpy", "typer", "fastapi")
    code = f"import app.start, sys; print([m for m in {heavy} if m in sys.modules])"
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )

    assert ended.stdout == "[]\n"
