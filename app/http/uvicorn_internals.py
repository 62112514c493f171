"""Whether the installed uvicorn has what `connections` and `protocol` build on.

They subclass uvicorn's HTTP protocol, which is no public interface: pyproject.toml bounds its
version, and this looks before each start. Where something is missing, the service runs on uvicorn's
protocol as it is, without these bounds, and says so.
"""

from types import FunctionType

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

_METHODS = (
    "connection_made",
    "connection_lost",
    "data_received",
    "pause_writing",
    "resume_writing",
    "on_message_begin",
    "on_url",
    "on_header",
    "on_headers_complete",
    "on_body",
    "on_message_complete",
    "on_response_complete",
    "send_400_response",
)
_OF_A_CONNECTION = (
    "client",
    "cycle",
    "flow",
    "headers",
    "loop",
    "parser",
    "pipeline",
    "transport",
    "url",
)
_OF_A_REQUEST = (
    "disconnected",
    "keep_alive",
    "message_event",
    "response_complete",
    "response_started",
)


def missing() -> list[str]:
    """What is relied on, and is not there."""
    methods = [name for name in _METHODS if not callable(getattr(HttpToolsProtocol, name, None))]
    return methods + [
        name
        for kind, names in (
            (HttpToolsProtocol, _OF_A_CONNECTION),
            (RequestResponseCycle, _OF_A_REQUEST),
        )
        for name in names
        if name not in _attributes(kind)
    ]


def _attributes(kind: type) -> set[str]:
    """Every attribute that a class's own methods speak of."""
    methods = (method for method in vars(kind).values() if isinstance(method, FunctionType))
    return {name for method in methods for name in method.__code__.co_names}
