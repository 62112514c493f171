"""Whether traces are sent to a collector: only where OpenTelemetry's own variables name one.

https://opentelemetry.io/docs/specs/otel/protocol/exporter/ has these. The packages come with the
extra `otel`, and are imported here alone, if they are needed.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.http.spans import Spans

log = logging.getLogger("pneumoscope")

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
_HTTP = "http/protobuf"


def spans(environment: Mapping[str, str]) -> "Spans | None":
    """What makes spans and sends them; None where nobody asks for them.

    It also is None, and the log says why, where they cannot be sent.

    Args:
        environment: of the process.
    """
    is_off = (
        environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
        or environment.get("OTEL_TRACES_EXPORTER") == "none"
    )
    endpoint, protocol = _set(environment, _ENDPOINTS), _set(environment, _PROTOCOLS)
    if is_off or endpoint is None:
        return None
    if protocol and environment[protocol] != _HTTP:
        log.warning(
            "No traces are sent: %s is not %s, which is all that is spoken.", protocol, _HTTP
        )
        return None
    try:
        from app.http.spans import Spans
    except ImportError:
        log.warning(
            "No traces are sent: %s is set, but pneumoscope[otel] is not installed.", endpoint
        )
        return None
    return Spans()


def _set(environment: Mapping[str, str], names: Sequence[str]) -> str | None:
    """The first of some variables that is set."""
    return next((name for name in names if environment.get(name)), None)
