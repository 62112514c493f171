"""The ids by which a request is known elsewhere: X-Request-ID, and W3C's Trace Context.

They are all that is logged and sent back of a request's own words. So each is taken in the form
that it is defined in, of few characters and of bounded length, or not at all.
"""

import re
from typing import NamedTuple
from uuid import uuid4

from starlette.datastructures import Headers

# What UUIDs, ULIDs and the ids of proxies are made of.
_REQUEST_ID = re.compile(r"[0-9A-Za-z._-]{1,64}")
# https://www.w3.org/TR/trace-context/#traceparent-header: later versions may add fields.
_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_VERSION, _NO_VERSION = "00", "ff"


class Trace(NamedTuple):
    """Where a request belongs in a distributed trace; all in lower-case hexadecimal digits.

    Attributes:
        trace_id: of the trace, 16 bytes.
        span_id: of the step in it that asked, 8 bytes.
        flags: whether it is recorded, one byte.
    """

    trace_id: str
    span_id: str
    flags: str

    @property
    def traceparent(self) -> str:
        """The header's value."""
        return f"{_VERSION}-{self.trace_id}-{self.span_id}-{self.flags}"


def request_id_of(headers: Headers) -> str:
    """The client's X-Request-ID; a new one where it has none, several, or a malformed one."""
    match headers.getlist("x-request-id"):
        case [given] if _REQUEST_ID.fullmatch(given):
            return given
    return uuid4().hex


def trace_of(headers: Headers) -> Trace | None:
    """What the client's traceparent says; None where it has none, several, or an invalid one."""
    match headers.getlist("traceparent"):
        case [given] if found := _TRACEPARENT.fullmatch(given):
            version, trace_id, span_id, flags, more = found.groups()
            known = version != _NO_VERSION and not (version == _VERSION and more)
            # All zeros mean none.
            if known and trace_id.strip("0") and span_id.strip("0"):
                return Trace(trace_id, span_id, flags)
    return None
