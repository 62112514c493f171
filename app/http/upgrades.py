"""HTTP as uvicorn speaks it, but deaf to offers of another protocol (RFC 9110, 7.8).

Java's HttpClient offers HTTP/2 with every request, and so does `curl --http2`. The parser takes
whatever follows such an offer for that protocol, and the request loses its body. WebSocket, which
nothing here speaks, is offered in the same way; uvicorn would answer it with the path in its log.
"""

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

_OFFER = b"upgrade"
_CONNECT = b"CONNECT"


class DeafProtocol(HttpToolsProtocol):
    """Reads a request that offers another protocol once more, without the offer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parser = _Parser(self)
        # As uvicorn has it, so that a request before one that closes gets its answer.
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)

    @property
    def has_offer(self) -> bool:
        """Whether the request whose headers were read last offers another protocol."""
        return self.parser.should_upgrade() and self.parser.get_method() != _CONNECT

    @property
    def head_without_offer(self) -> bytes:
        """The request line and the headers that were read last, as bytes again."""
        version = self.parser.get_http_version().encode()
        lines = [b"%b %b HTTP/%b" % (self.parser.get_method(), self.url, version)]
        lines += [b"%b: %b" % header for header in self.headers if header[0] != _OFFER]
        return b"\r\n".join([*lines, b"", b""])

    def on_headers_complete(self) -> None:
        if not self.has_offer:
            super().on_headers_complete()

    def on_message_complete(self) -> None:
        if not self.has_offer:
            super().on_message_complete()


class _Parser(httptools.HttpRequestParser):
    """Goes on after an offer with the same request, without it."""

    def __init__(self, protocol: DeafProtocol) -> None:
        super().__init__(protocol)
        self._protocol = protocol

    def feed_data(self, data: Any) -> None:
        """Parse the bytes that came.

        Raises:
            HttpParserError: it is no HTTP.
            HttpParserUpgrade: it asks for a tunnel, which uvicorn passes over.
        """
        while True:
            try:
                super().feed_data(data)
            except httptools.HttpParserUpgrade as offer:
                if not self._protocol.has_offer:
                    raise
                data = self._protocol.head_without_offer + data[offer.args[0] :]
            else:
                return
