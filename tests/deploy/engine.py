"""A Docker engine of Debian's, and images that stand for those of a registry that is not reached.

`python:3.12-slim` is Debian with the CPython 3.12 of this machine, without what the official image
has not either, and Orthanc's image is Debian's Orthanc. Nothing but the build gets a network.
"""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PYTHON_IMAGE, ORTHANC_IMAGE = "python:3.12-slim", "jodogne/orthanc-plugins:1.12.9"
# Debian's, where others are installed too.
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_RELEASE, _RELEASE_OF_ORTHANC = "trixie", "bookworm"
_LIBRARIES = (
    "ca-certificates,netbase,tzdata,libssl3t64,libffi8,libsqlite3-0,libreadline8t64,libbz2-1.0,"
    "liblzma5,zlib1g,libncursesw6,libuuid1,libexpat1,libgdbm6t64,libdb5.3t64"
)
_LEFT_OUT = ("man", "doc", "locale")
_CERTIFICATES = Path("etc/ssl/certs/ca-certificates.crt")
_WITHOUT_BRIDGE = ("--bridge=none", "--iptables=false", "--ip-forward=false", "--ip-masq=false")
# As docker-compose.yml has it, so that the test is of what is recommended.
HARDENED = (
    *("--init", "--network=none", "--read-only", "--tmpfs=/tmp", "--cap-drop=ALL"),
    *("--security-opt=no-new-privileges:true", "--memory=2500m", "--pids-limit=256"),
)


class Container:
    """One that runs, in a network of its own."""

    def __init__(self, engine: "Engine", name: str) -> None:
        self._engine, self.name = engine, name

    def state(self) -> dict[str, Any]:
        """What the engine says of it."""
        state: dict[str, Any] = json.loads(
            self._engine.docker("inspect", "--format", "{{json .State}}", self.name)
        )
        return state

    def inside(self, *command: str | Path, data: bytes | None = None) -> bytes:
        """What a program of this machine prints in the container's network."""
        where = ["nsenter", "--target", str(self.state()["Pid"]), "--net"]
        return subprocess.run(
            [*where, *command], input=data, check=True, capture_output=True, timeout=120
        ).stdout

    def ask(self, path: str, data: bytes | None = None, *options: str) -> tuple[int, bytes]:
        """The status and the body of an answer over HTTP, on the service's port."""
        sent = ["--data-binary", "@-", "-H", "Content-Type: image/png"] if data else []
        curl = ["curl", "-s", "-w", "\n%{http_code}", *sent, *options]
        told = self.inside(*curl, f"http://127.0.0.1:8000{path}", data=data)
        body, _, status = told.rpartition(b"\n")
        return int(status), body

    def wait_until_healthy(self, seconds: float = 120) -> None:
        """Wait until the image's own check says so, or fail with the log."""
        deadline = time.monotonic() + seconds
        while self.state()["Health"]["Status"] != "healthy":
            assert self.state()["Running"], self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.5)

    def log(self) -> str:
        """What it has logged."""
        return self._engine.docker("logs", self.name)

    def stop(self) -> float:
        """Stop it as compose does, and give the seconds that it took."""
        started = time.monotonic()
        self._engine.docker("stop", "--time", "45", self.name)
        return time.monotonic() - started


class Engine:
    """A daemon of its own, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment = os.environ | {
            "DOCKER_HOST": f"unix://{folder}/docker.sock",
            "DOCKER_BUILDKIT": "1",
            "DOCKER_CONFIG": str(folder),
            "PATH": _PATH,
        }

    @contextmanager
    def running(self) -> Iterator["Engine"]:
        """Start the daemon, or skip the test where it cannot."""
        if os.geteuid() != 0:
            pytest.skip("only root may start a Docker daemon")
        for program in ("dockerd", "mmdebstrap", "nsenter", "curl"):
            if shutil.which(program, path=_PATH) is None:
                pytest.skip(f"{program} is not installed")
        paths = {"data-root": "data", "exec-root": "exec", "pidfile": "pid"}
        where = [f"--{option}={self.folder / name}" for option, name in paths.items()]
        where.append(f"--host={self.environment['DOCKER_HOST']}")
        with (self.folder / "log").open("wb") as log:
            daemon = subprocess.Popen(
                ["dockerd", *where, *_WITHOUT_BRIDGE], stdout=log, stderr=log, env=self.environment
            )
        try:
            self._wait_for(daemon)
            yield self
        finally:
            daemon.terminate()
            daemon.wait(60)

    def _wait_for(self, daemon: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while not (self.folder / "docker.sock").exists():
            if daemon.poll() is not None or time.monotonic() > deadline:
                pytest.skip("no Docker daemon can run here")
            time.sleep(0.2)

    def docker(self, *arguments: str | Path, data: bytes | None = None) -> str:
        """What a command prints."""
        done = subprocess.run(
            ["docker", *arguments],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=self.environment,
            check=False,
        )
        told = done.stdout.decode()
        assert done.returncode == 0, told[-4000:]
        return told.strip()

    def build(self, *options: str) -> None:
        """Build this project's image, with the package index that pip asks here."""
        self.docker("build", "--network", "host", "--progress", "plain", *options, ROOT)

    @contextmanager
    def container(self, image: str, *options: str) -> Iterator[Container]:
        """Run an image as docker-compose.yml does."""
        name = self.docker("run", "--detach", *HARDENED, *options, image)
        try:
            yield Container(self, name)
        finally:
            self.docker("rm", "--force", name)

    def bring_python(self) -> None:
        """Make what stands for the official image."""
        root = self._debian(_RELEASE, _LIBRARIES)
        _install_python(root)
        shutil.copy(f"/{_CERTIFICATES}", root / _CERTIFICATES)
        (root / "etc/pip.conf").write_text(_pip_configuration())
        self._bring(root, PYTHON_IMAGE, "ENV PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

    def bring_orthanc(self) -> None:
        """Make what stands for Orthanc's image."""
        root = self._debian(_RELEASE_OF_ORTHANC, "orthanc,orthanc-dicomweb")
        shutil.rmtree(root / "etc/orthanc")
        self._bring(root, ORTHANC_IMAGE, 'ENTRYPOINT ["Orthanc"]', 'CMD ["/etc/orthanc/"]')

    def _debian(self, release: str, packages: str) -> Path:
        root = self.folder / release
        without = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _LEFT_OUT]
        command = ["mmdebstrap", "--quiet", "--variant=minbase", f"--include={packages}", *without]
        archive = root.with_suffix(".tar")
        subprocess.run([*command, release, archive], check=True, timeout=600)
        root.mkdir()
        subprocess.run(["tar", "-C", root, "-xf", archive], check=True)
        archive.unlink()
        return root

    def _bring(self, root: Path, image: str, *changes: str) -> None:
        archive = root.with_suffix(".tar")
        subprocess.run(["tar", "-C", root, "--numeric-owner", "-cf", archive, "."], check=True)
        options = [option for change in changes for option in ("--change", change)]
        self.docker("import", *options, archive, image)
        archive.unlink()
        shutil.rmtree(root)


def _install_python(root: Path) -> None:
    prefix = _python_prefix()
    library = "lib/python3.12"
    not_official = ("test", "idlelib", "tkinter", "site-packages/*", "config-3.12*")
    command = ["tar", "-C", str(prefix), "--exclude=__pycache__"]
    command += [f"--exclude={library}/{name}" for name in not_official]
    shared = [path.relative_to(prefix) for path in prefix.glob("lib/libpython3*.so*")]
    packed = subprocess.run(
        [*command, "-cf", "-", "bin/python3.12", *shared, library, "include"],
        check=True,
        stdout=subprocess.PIPE,
    ).stdout
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        archive.extractall(root / "usr/local", filter="tar")
    for name, target in (("python3", "python3.12"), ("python", "python3")):
        (root / "usr/local/bin" / name).symlink_to(target)
    binaries = [*root.glob("usr/local/lib/libpython3.12.so.*")]
    binaries += root.glob(f"usr/local/{library}/lib-dynload/*.so")
    subprocess.run(["strip", "--strip-unneeded", *binaries], check=True)
    for inside in ("ldconfig", "/usr/local/bin/python -B -m ensurepip"):
        subprocess.run(
            ["chroot", root, *inside.split()],
            check=True,
            stdout=subprocess.DEVNULL,
            env={"PATH": _PATH},
        )


def _python_prefix() -> Path:
    """Where this machine has a CPython 3.12, or the test is skipped."""
    if sys.version_info[:2] == (3, 12):
        return Path(sys.base_prefix)
    for command in (["pyenv", "prefix", "3.12"], ["python3.12", "-c", _PRINT_PREFIX]):
        if shutil.which(command[0]):
            told = subprocess.run(command, capture_output=True, text=True, check=False)
            if told.returncode == 0:
                return Path(told.stdout.strip())
    return pytest.skip("there is no CPython 3.12 to make a base image of")


_PRINT_PREFIX = "import sys; print(sys.base_prefix)"


def _pip_configuration() -> str:
    """The index that pip asks on this machine, as the base image's own settings."""
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], check=True, capture_output=True, text=True
    ).stdout
    settings = {"cert": f"/{_CERTIFICATES}"}
    for line in listed.splitlines():
        key, _, value = line.partition("=")
        name = key.rpartition(".")[2]
        remote = " ".join(url for url in value.strip("'").split() if url.startswith("http"))
        if name in ("index-url", "extra-index-url") and remote:
            settings[name] = remote
    return "\n".join(["[global]", *(f"{name} = {value}" for name, value in settings.items()), ""])
