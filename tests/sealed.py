"""A network without an exit, in which whatever is asked for is noted: `python -m tests.sealed`.

The process gets a network and a file system view of its own: the loopback interface alone, through
which every address is routed, a name server on it that answers no name, and a copy of all packets.
So a look-up of a name is seen, and so is a packet to an address that somebody wrote down.
"""

import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

_UNSHARE = ["unshare", "--map-root-user", "--net", "--mount"]
# By these, programs tell that nobody is there to see what they send; or where they may write.
_TELLING = ("CI", "TF_BUILD", "JENKINS_URL", "GITHUB_ACTIONS", "KERAS_HOME", "MPLCONFIGDIR")
_TELLING_PREFIXES = ("XDG_", "COV_")
_DNS_PORT, _DNS_HEADER = 53, 12
_ETHERNET, _IPV4, _IPV6 = 14, b"\x08\x00", b"\x86\xdd"
_NAME_ERROR = b"\x81\x83"


@dataclass(frozen=True)
class Seen:
    """What came of a program: its exit status, what it said, asked for, and left in its home."""

    status: int
    said: str
    names: list[str]
    addresses: list[str]
    files: list[str]


def run(folder: Path, *command: str) -> Seen:
    """Run a program in a sealed network with an empty home; skip where no such can be had.

    Args:
        folder: for its home, and for what is noted.
        command: the program and its arguments.
    """
    _skip_unless_permitted()
    home, noted = folder / "home", folder / "noted.json"
    home.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _TELLING
        and not name.startswith(_TELLING_PREFIXES)
        and not name.lower().endswith("_proxy")
    }
    done = subprocess.run(
        [*_UNSHARE, sys.executable, "-m", "tests.sealed", str(noted), *command],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )
    said = done.stdout + done.stderr
    assert noted.exists(), said
    files = [str(path.relative_to(home)) for path in home.rglob("*")]
    return Seen(done.returncode, said, **json.loads(noted.read_text()), files=files)


def _skip_unless_permitted() -> None:
    for program in ("unshare", "mount", "ip"):
        if shutil.which(program) is None:
            pytest.skip(
                f"{program} is not installed; Debian has it in util-linux, iproute2 or mount"
            )
    tried = subprocess.run(
        [*_UNSHARE, "ip", "link", "set", "lo", "up"], capture_output=True, check=False
    )
    if tried.returncode:
        pytest.skip(f"namespaces are not permitted here: {tried.stderr.decode().strip()}")


def _note(names: list[str], addresses: list[str], folder: Path) -> None:
    """Note what is asked for from now on."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    for version in ("-4", "-6"):
        route = ["route", "add", "local", "default", "dev", "lo"]
        subprocess.run(["ip", version, *route], check=True)
    configuration = folder / "resolv.conf"
    configuration.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
    subprocess.run(["mount", "--bind", configuration, "/etc/resolv.conf"], check=True)
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", _DNS_PORT))
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0003))
    packets.bind(("lo", 0))
    for note in (lambda: _answer(server, names), lambda: _listen(packets, addresses)):
        threading.Thread(target=note, daemon=True).start()


def _answer(server: socket.socket, names: list[str]) -> None:
    """Answer that there is no such name (RFC 1035, 4.1)."""
    while True:
        query, client = server.recvfrom(2**16)
        labels, rest = [], query[_DNS_HEADER:]
        while rest and rest[0]:
            labels.append(rest[1 : rest[0] + 1].decode(errors="replace"))
            rest = rest[rest[0] + 1 :]
        names.append(".".join(labels))
        server.sendto(query[:2] + _NAME_ERROR + query[4:], client)


def _listen(packets: socket.socket, addresses: list[str]) -> None:
    """Note where packets go that do not go to this machine."""
    while True:
        packet = packets.recv(2**16)
        kind, body = packet[_ETHERNET - 2 : _ETHERNET], packet[_ETHERNET:]
        if kind == _IPV4:
            address = socket.inet_ntop(socket.AF_INET, body[16:20])
            if not address.startswith("127."):
                addresses.append(address)
        elif kind == _IPV6:
            address = socket.inet_ntop(socket.AF_INET6, body[24:40])
            # Of multicast, what the system itself says of its interfaces.
            if address != "::1" and not address.startswith("ff"):
                addresses.append(address)


def _main(noted: Path, command: list[str]) -> int:
    names: list[str] = []
    addresses: list[str] = []
    _note(names, addresses, noted.parent)
    status = subprocess.run(command, check=False).returncode
    noted.write_text(json.dumps({"names": names, "addresses": addresses}))
    return status


if __name__ == "__main__":
    sys.exit(_main(Path(sys.argv[1]), sys.argv[2:]))
