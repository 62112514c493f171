"""An answer that comes before its request's body has, over a connection that then closes.

Whoever closes a connection on which bytes lie unread resets it, and the answer may be lost with it
(RFC 9112, 9.6): of a refusal, nginx, which closes after each request by default, makes a 502.
"""

import asyncio
from contextlib import suppress

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_MOST_SECONDS = 10.0


class Lingering:
    """ASGI middleware that sends the answer, and then reads what is left of the body."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _closes(scope):
            await self._app(scope, receive, send)
            return
        is_read = False

        async def read() -> Message:
            nonlocal is_read
            message = await receive()
            is_read = not message.get("more_body", False)
            return message

        async def linger() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(_MOST_SECONDS):
                    while not is_read:
                        await read()

        async def answer(message: Message) -> None:
            is_end = message["type"] == "http.response.body" and not message.get("more_body", False)
            if is_end and not is_read:
                await send({**message, "more_body": True})
                await linger()
                message = {"type": "http.response.body", "body": b"", "more_body": False}
            await send(message)

        await self._app(scope, read, answer)


def _closes(scope: Scope) -> bool:
    """Whether the connection closes after the answer, as far as the request decides."""
    connection = Headers(scope=scope).get("connection", "").lower()
    return bool(scope["http_version"] == "1.0" or "close" in connection)
