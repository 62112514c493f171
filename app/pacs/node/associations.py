"""The open associations, and whose they are: so that no peer has all the room."""

import socket
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from pynetdicom.association import Association
from pynetdicom.transport import AssociationServer

from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.pynetdicom_bounds import BoundedHandler, BoundedSocket
from app.pacs.node.seldom import Seldom
from app.pacs.node.settings import NodeSettings


class _Open(NamedTuple):
    peer: str
    association: Association
    bounded: BoundedSocket
    connection: socket.socket

    def end(self) -> None:
        """Have it read that its peer hung up."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


class Associations:
    """Begins associations as far as there is room.

    A peer has a share of the places at most. Where all are taken, the peer that has the most gives
    up the one that was silent longest to a peer with fewer; its sender sends again what was not
    acknowledged.
    """

    def __init__(
        self,
        server: AssociationServer,
        settings: NodeSettings,
        max_bytes: int,
        metrics: NodeMetrics,
    ) -> None:
        """
        Args:
            server: whose associations they are.
            settings: how many there may be.
            max_bytes: as large as a data set may be.
            metrics: where those are counted that are ended.
        """
        self._server, self._settings, self._max_bytes = server, settings, max_bytes
        self._metrics = metrics
        self._open: list[_Open] = []
        self._seldom = Seldom()
        metrics.associations.set_function(lambda: len(self._alive()))

    def begin(self, connection: socket.socket, address: Any, peer: str, request: bytes) -> bool:
        """Begin an association, or return False where there is no room for it.

        Args:
            connection: on which it was asked for.
            address: that it comes from.
            peer: whose share it is of.
            request: the A-ASSOCIATE-RQ.
        """
        if not self._has_room(peer):
            return False
        handler = BoundedHandler(connection, address, self._server, partial(self._bound, request))
        self._open.append(_Open(peer, handler.association, handler.bounded, connection))
        return True

    def end(self) -> None:
        """End all of them."""
        for association in self._alive():
            association.end()

    def _has_room(self, peer: str) -> bool:
        self._open = self._alive()
        has = Counter(association.peer for association in self._open)
        if has[peer] >= self._settings.max_associations_per_peer:
            return False
        if len(self._open) < self._settings.max_associations:
            return True
        most = max(has.values())
        if most <= has[peer] + 1:
            return False
        of_the_greediest = [other for other in self._open if has[other.peer] == most]
        silent = min(of_the_greediest, key=lambda other: other.bounded.heard)
        self._aborted("displaced")
        silent.end()
        self._open.remove(silent)
        return True

    def _alive(self) -> list[_Open]:
        return [each for each in self._open if each.association.is_alive()]

    def _bound(
        self, request: bytes, association: Association, connection: socket.socket
    ) -> BoundedSocket:
        bounded = BoundedSocket(association, connection, self._max_bytes, self._aborted)
        bounded.put_back(request)
        return bounded

    def _aborted(self, reason: str) -> None:
        self._metrics.aborted.labels(reason).inc()
        self._seldom.warn(f"Ending associations: {reason}.")
