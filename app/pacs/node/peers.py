"""Who may send: AE titles, and the addresses that their hosts have."""

import logging
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from ipaddress import ip_address

from app.pacs.node.settings import Peer

log = logging.getLogger("pneumoscope")

_SECONDS_BETWEEN_LOOKUPS = 60.0
# Until the first answers, before the node listens.
_FIRST_SECONDS = 5.0


class Peers:
    """Those who may send; all, where there are none.

    Names are looked up beside, again and again, so that no connection waits for a name server.
    While that does not answer, a host keeps the addresses that it had.
    """

    def __init__(self, peers: Sequence[Peer]) -> None:
        self._peers = peers
        self._addresses: dict[str, frozenset[str]] = {}
        self._names = []
        for host in {peer.host for peer in peers if peer.host is not None}:
            try:
                self._addresses[host] = frozenset([_plain(host)])
            except ValueError:
                self._names.append(host)

    @contextmanager
    def looked_up(self) -> Iterator[None]:
        """Know the hosts' addresses while the block runs."""
        end = threading.Event()
        known = [threading.Event() for _ in self._names]
        for name, found in zip(self._names, known, strict=True):
            arguments = (name, found, end)
            threading.Thread(target=self._look_up, args=arguments, daemon=True).start()
        deadline = time.monotonic() + _FIRST_SECONDS
        for found in known:
            found.wait(max(0.0, deadline - time.monotonic()))
        try:
            yield
        finally:
            end.set()

    def may_connect(self, address: str) -> bool:
        """Whether an address is that of a peer, as far as the hosts of all are given."""
        return not self._peers or any(self._is_at(peer, address) for peer in self._peers)

    def may_send(self, ae_title: str, address: str) -> bool:
        """Whether it is a peer that calls itself so, from there."""
        named = [peer for peer in self._peers if peer.ae_title == ae_title]
        return not self._peers or any(self._is_at(peer, address) for peer in named)

    def _is_at(self, peer: Peer, address: str) -> bool:
        return peer.host is None or _plain(address) in self._addresses.get(peer.host, ())

    def _look_up(self, name: str, known: threading.Event, end: threading.Event) -> None:
        failed = False
        while not end.is_set():
            try:
                found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM)
                self._addresses[name] = frozenset(_plain(str(where[0])) for *_, where in found)
                failed = False
            # A name may also be one that cannot be encoded.
            except (OSError, UnicodeError):
                if not failed:
                    log.warning("PNEUMOSCOPE_NODE_PEERS: the host %s has no address.", name)
                failed = True
            known.set()
            end.wait(_SECONDS_BETWEEN_LOOKUPS)


def _plain(address: str) -> str:
    """An address in its usual form; an IPv4 one also where it came over IPv6.

    Raises:
        ValueError: it is none.
    """
    ip = ip_address(address)
    return str(getattr(ip, "ipv4_mapped", None) or ip)
