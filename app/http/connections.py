"""HTTP connections as uvicorn keeps them, with a bound on everything that a client chooses.

uvicorn bounds the body that waits for the app. These are the bounds on the rest: what a head may
hold, the time until a request is complete, requests that wait behind another one, answers that
nobody reads, and the connections themselves.
"""

import asyncio
import logging
import resource
import socket
import struct
import time
from collections import defaultdict, deque
from collections.abc import Callable
from http import HTTPStatus
from typing import ClassVar

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

from app.http import problems
from app.http.problems import Problem
from app.http.upgrades import DeafProtocol
from app.reading.clients import key_of
from app.reading.metrics import Metrics

log = logging.getLogger("pneumoscope")

MOST_HEAD_BYTES = 32 * 1024
MOST_URL_BYTES = 8 * 1024
MOST_FIELDS = 100
# From the connection, or the end of the last answer, to a head's end.
HEAD_SECONDS = 10.0
# A client may send so many requests before it has read the first answer; the others it asks again.
MOST_PIPELINED = 16
# Of all answers that wait until their clients read them.
MOST_UNREAD_BYTES = 64 * 2**20
# What chunks of a body may cost beside the body, in bytes of their sizes, extensions and trailers.
_CHUNKING_BYTES = 32 * 1024
# So that a client who still sends reads why it was refused, before the connection is reset.
_LINGER_SECONDS = 2.0
# Of each connection, in either direction, which Linux else lets grow to some megabytes and counts
# as the container's memory. It takes twice as much.
_KERNEL_BYTES = 128 * 1024
# For which a connection is closed.
_REASONS = ("slow", "unread", "too_many", "refused")
_WITHOUT_LINGERING = struct.pack("ii", 1, 0)
_SECONDS_BETWEEN_SWEEPS = 1.0
_SECONDS_BETWEEN_LINES = 10.0
# For the model's files, the log, the event loop and whatever libraries open.
_OTHER_FILES = 100


def most_connections(wanted: int) -> int:
    """As many connections as are wanted, or as this process may open files for."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return wanted if files == resource.RLIM_INFINITY else max(1, min(wanted, files - _OTHER_FILES))


class Crowd:
    """The open connections of one server: how many there are, and which has to go.

    Where there are too many, or too many bytes wait for their readers, the client that has the most
    gives up one first: a client with few keeps its own.
    """

    def __init__(self, metrics: Metrics, most: int, message_seconds: float) -> None:
        """
        Args:
            metrics: count what is closed.
            most: connections there may be.
            message_seconds: until a request is complete, and until an answer is read.
        """
        self.message_seconds = message_seconds
        self.metrics = metrics
        self._most = most
        self._members: set[Member] = set()
        self._sweeping = False
        self._logged = -_SECONDS_BETWEEN_LINES
        metrics.connections.set_function(lambda: len(self._members))
        for reason in _REASONS:
            metrics.connections_closed.labels(reason)

    def join(self, member: "Member") -> None:
        """Take a new connection in, for which another one may have to go, or itself."""
        self._members.add(member)
        if len(self._members) > self._most:
            idle = [other for other in self._members if other.is_idle or other is member]
            self._close(self._of_the_greediest(idle, lambda _: 1), "too_many")
        if not self._sweeping:
            self._sweeping = True
            member.loop.call_later(_SECONDS_BETWEEN_SWEEPS, self._sweep, member.loop)

    def leave(self, member: "Member") -> None:
        self._members.discard(member)

    def check_unread(self) -> None:
        """Close connections until the answers that nobody reads are few enough."""
        while True:
            unread = {member: member.unread_bytes for member in self._members}
            if sum(unread.values()) <= MOST_UNREAD_BYTES:
                return
            waiting = [member for member, size in unread.items() if size]
            self._close(self._of_the_greediest(waiting, unread.__getitem__), "unread")

    def _of_the_greediest(
        self, members: list["Member"], weight: Callable[["Member"], int]
    ) -> "Member":
        """Of the client that weighs the most, who of the members has waited longest."""
        total: dict[str, int] = defaultdict(int)
        for member in self._members:
            total[member.client_key] += weight(member)
        return max(members, key=lambda member: (total[member.client_key], member.waited()))

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        for member in list(self._members):
            if reason := member.overdue():
                self._close(member, reason)
        self._sweeping = bool(self._members)
        if self._sweeping:
            loop.call_later(_SECONDS_BETWEEN_SWEEPS, self._sweep, loop)

    def _close(self, member: "Member", reason: str) -> None:
        self._members.discard(member)
        member.reset()
        self.metrics.connections_closed.labels(reason).inc()
        now = time.monotonic()
        if now - self._logged >= _SECONDS_BETWEEN_LINES:
            self._logged = now
            log.warning("Closing connections: %s, of %d.", reason, len(self._members) + 1)


class Member:
    """What the crowd asks of a connection, whatever is spoken over it."""

    loop: asyncio.AbstractEventLoop
    transport: asyncio.Transport

    client_key = ""
    is_idle = True
    unread_bytes = 0
    # Since when the client has owed something.
    _since = 0.0

    def enter(self, host: str) -> None:
        """Begin, with a client at this address."""
        self._set_option(socket.SO_SNDBUF, _KERNEL_BYTES)
        self._set_option(socket.SO_RCVBUF, _KERNEL_BYTES)
        self.client_key = key_of(host)
        self._since = time.monotonic()

    def waited(self) -> float:
        """Seconds for which the client has owed something."""
        return time.monotonic() - self._since

    def overdue(self) -> str:
        """Why the connection has to go, or nothing."""
        return "slow" if self.waited() > HEAD_SECONDS else ""

    def reset(self) -> None:
        """Close at once; not even the kernel keeps what the client has not read."""
        self._set_option(socket.SO_LINGER, _WITHOUT_LINGERING)
        self.transport.abort()

    def _set_option(self, name: int, value: int | bytes) -> None:
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, name, value)


class Bounded(Member, DeafProtocol):
    """An HTTP connection. A subclass names the crowd that it belongs to."""

    crowd: ClassVar[Crowd]

    _unanswered: deque[RequestResponseCycle]
    # Or between requests: the next head is awaited.
    _in_head = True
    _requests = _head_bytes = _fields = 0
    _body_bytes = _raw_body_bytes = 0
    # A client that overstepped a bound is not listened to any more.
    _deaf = False
    _paused_since: float | None = None
    _closing_since: float | None = None
    _linger_since: float | None = None

    # What the crowd asks.

    @property
    def is_idle(self) -> bool:  # type: ignore[override]
        """Whether the connection can go without a request being lost that is at work."""
        return not self._is_at_work() or self._paused_since is not None

    @property
    def unread_bytes(self) -> int:  # type: ignore[override]
        """Bytes that wait until the client reads them."""
        return self.transport.get_write_buffer_size() if self._paused_since is not None else 0

    def overdue(self) -> str:
        """Why the connection has to go, or nothing."""
        now, message_seconds = time.monotonic(), self.crowd.message_seconds
        if self._linger_since is not None:
            return "refused" if now - self._linger_since > _LINGER_SECONDS else ""
        if self.transport.is_closing() and self._closing_since is None:
            self._closing_since = now
        for since in (self._paused_since, self._closing_since):
            if since is not None and now - since > message_seconds:
                return "unread"
        if self._in_head:
            late = self._owes_a_head() and now - self._since > HEAD_SECONDS
        else:
            late = not self.pipeline and now - self._since > message_seconds
        return "slow" if late else ""

    # What the transport tells.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.enter(self.client[0] if self.client else "")
        self._unanswered = deque()
        self.crowd.join(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.crowd.leave(self)
        # uvicorn tells the last request only, though it may wait behind the one at work.
        for cycle in self._unanswered:
            cycle.disconnected = True
            cycle.message_event.set()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._deaf:
            if self._linger_since is None:
                self.flow.pause_reading()
            return
        before = self._requests, self._in_head
        super().data_received(data)
        if before != (self._requests, self._in_head):
            return
        if self._in_head:
            self._head_bytes += len(data)
            self._check_head()
        else:
            self._raw_body_bytes += len(data)
            if self._raw_body_bytes - 2 * self._body_bytes > _CHUNKING_BYTES:
                self._refuse(_BAD_REQUEST)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._paused_since = time.monotonic()
        self.crowd.check_unread()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._paused_since = None
        if not self._is_at_work():
            self._since = time.monotonic()

    # What the parser tells. It goes on to the end of what was received, whatever becomes of it.

    def on_message_begin(self) -> None:
        if not self._deaf and len(self.pipeline) >= MOST_PIPELINED:
            self._end_after_answers()
        if self._deaf:
            return
        super().on_message_begin()
        if not self._is_at_work():
            self._since = time.monotonic()
        self._requests += 1
        self._in_head = True
        self._head_bytes = self._fields = 0

    def on_url(self, url: bytes) -> None:
        if self._deaf:
            return
        super().on_url(url)
        if len(self.url) > MOST_URL_BYTES:
            self._refuse(_LONG_URL)

    def on_header(self, name: bytes, value: bytes) -> None:
        # The trailers of a body come here too. Nobody asks for them.
        if self._deaf or not self._in_head:
            return
        super().on_header(name, value)
        self._fields += 1
        self._check_head()

    def on_headers_complete(self) -> None:
        if self._deaf:
            return
        self._head_bytes = len(self.url) + sum(len(n) + len(v) for n, v in self.headers)
        self._check_head()
        # A head with an offer comes once more, without it.
        if self._deaf or self.has_offer:
            return
        self._in_head = False
        self._body_bytes = self._raw_body_bytes = 0
        self.on_request()
        if self._is_at_work():
            self._unanswered.append(self.cycle)

    def on_request(self) -> None:
        """Go on with a request whose head is within the bounds."""
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        if self._in_head:
            return
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        if self._in_head:
            return
        self._in_head = True
        self._head_bytes = 0
        if not self._is_at_work():
            self._since = time.monotonic()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        if self._unanswered and self._unanswered[0].response_complete:
            self._unanswered.popleft()
        # The next request, if it waited, may still lack its end, and had no time to send it.
        if self.pipeline or self._in_head:
            self._since = time.monotonic()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._refuse(_BAD_REQUEST)

    # What becomes of a client that oversteps a bound.

    def _is_at_work(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _owes_a_head(self) -> bool:
        """Not while a request is at work, nor while its answer is read."""
        return not self._is_at_work() and not self.transport.get_write_buffer_size()

    def _check_head(self) -> None:
        if self._head_bytes > MOST_HEAD_BYTES or self._fields > MOST_FIELDS:
            self._refuse(_LARGE_HEAD)

    def _refuse(self, problem: Problem) -> None:
        if self._deaf or self.transport.is_closing():
            return
        self.crowd.metrics.requests.labels("none", str(int(problem.details.status))).inc()
        self.crowd.metrics.problems.labels(problem.details.code).inc()
        if self._in_head and self._is_at_work():
            self._end_after_answers()
            return
        self._deaf = True
        if self._is_at_work():
            if self.pipeline or self.cycle.response_started:
                self.reset()
                return
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.transport.write(_ANSWERS[problem.details.status])
        self._linger()

    def _end_after_answers(self) -> None:
        """Take no more requests, and close the connection once those at work have answers."""
        self._deaf = True
        self.cycle.keep_alive = False

    def _linger(self) -> None:
        """Close, but read past what is still sent for a moment."""
        self._linger_since = time.monotonic()
        self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()


_BAD_REQUEST = Problem(HTTPStatus.BAD_REQUEST, "malformed_request", "This is no HTTP request.")
_LONG_URL = Problem(
    HTTPStatus.REQUEST_URI_TOO_LONG, "uri_too_long", f"The URL is over {MOST_URL_BYTES:,} bytes."
)
_LARGE_HEAD = Problem(
    HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    "headers_too_large",
    f"The request has over {MOST_FIELDS} header fields, or {MOST_HEAD_BYTES:,} bytes of them.",
)


def raw(problem: Problem, *fields: bytes) -> bytes:
    """The answer that tells a problem, as it goes over the wire, with header fields more."""
    response = problems.response(problem)
    status = HTTPStatus(response.status_code)
    lines = [b"HTTP/1.1 %d %b" % (status, status.phrase.encode())]
    lines += [b"%b: %b" % header for header in response.raw_headers]
    return b"\r\n".join([*lines, *fields, b"", bytes(response.body)])


_ANSWERS = {
    problem.details.status: raw(problem, b"connection: close")
    for problem in (_BAD_REQUEST, _LONG_URL, _LARGE_HEAD)
}
