"""TLS handshakes as members of the crowd of connections, so that its bounds hold for them too.

asyncio and uvloop tell a server's protocol of a connection once its handshake is done, and wait
60 s for that: whoever connects and says nothing is seen by nobody. Here the connection is taken
first, and then secured by `loop.start_tls`.
"""

import asyncio
import ssl
from collections.abc import Callable
from typing import Any

from app.http.connections import Bounded, Member

# asyncio accepts as many connections in a turn as may wait, and would run out of files before the
# crowd knows of one.
_ACCEPTED_AT_ONCE = 16


class SecuringLoop(asyncio.SelectorEventLoop):
    """asyncio's loop, whose servers with TLS count a connection from its first moment.

    Not uvloop's, which reads on after a protocol has paused it in `connection_made`, and so loses
    the first bytes of a handshake.
    """

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], Bounded],
        *arguments: Any,
        ssl: ssl.SSLContext,
        backlog: int,
        **options: Any,
    ) -> asyncio.Server:
        """Serve as asyncio's own does, but within the bounds of the protocol's crowd."""
        server = await super().create_server(
            lambda: _Handshake(protocol_factory(), ssl),
            *arguments,
            backlog=_ACCEPTED_AT_ONCE,
            **options,
        )
        for serving in server.sockets:
            with serving.dup() as listening:
                listening.listen(backlog)
        return server


class _Handshake(Member, asyncio.Protocol):
    """A connection until it is secured, and then is `http`'s.

    `http` may get it a moment after the first data, which is kept for it.
    """

    def __init__(self, http: Bounded, context: ssl.SSLContext) -> None:
        self._http = http
        self._context = context
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        # What came before `start_tls` reads would be lost.
        transport.pause_reading()
        self.transport = transport
        self.loop = asyncio.get_running_loop()
        self._securing = self.loop.create_task(self._secure())
        self.enter(transport.get_extra_info("peername")[0])
        self._http.crowd.join(self)

    def data_received(self, data: bytes) -> None:
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self._securing.cancel()

    async def _secure(self) -> None:
        try:
            secured = await self.loop.start_tls(
                self.transport, self, self._context, server_side=True
            )
        except OSError:
            # It spoke no TLS, or had no certificate.
            return
        finally:
            self._http.crowd.leave(self)
        # Of a connection that was reset there is none.
        if secured is None:
            return
        secured.set_protocol(self._http)
        self._http.connection_made(secured)
        for data in self._early:
            self._http.data_received(data)
