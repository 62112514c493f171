"""What the benchmark ran on."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

_PACKAGES = (
    "fastapi",
    "uvicorn",
    "openvino",
    "tensorflow",
    "keras",
    "litserve",
    "bentoml",
    "ray",
    "pillow",
)


def describe(proc: Path = Path("/proc")) -> dict[str, str]:
    """The machine and the versions of what runs on it, by aspect.

    The load average tells whether something else took part of the machine.
    """
    memory = _field(proc / "meminfo", "MemTotal").split()
    return {
        "CPU": f"{_field(proc / 'cpuinfo', 'model name')}, {os.cpu_count()} cores",
        "memory": f"{int(memory[0]) / 2**20:.0f} GiB" if memory else "unknown",
        "system": platform.platform(terse=True),
        "load average before": f"{os.getloadavg()[0]:.2f}",
        "Python": platform.python_version(),
        "wrk": _wrk(),
        **{package: _version(package) for package in _PACKAGES},
    }


def _field(path: Path, name: str) -> str:
    """The first value of a field in a file of `name: value` lines."""
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _wrk() -> str:
    """wrk's version; it prints it as the first word but one, and then its usage."""
    done = subprocess.run(["wrk", "-v"], capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.split()[1] if done.stdout else "unknown"
