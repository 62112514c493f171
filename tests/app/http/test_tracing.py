"""Traces: whether there are any."""

import ast
import logging
import sys
from pathlib import Path

import pytest

from app.http import tracing

ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
APP = Path(tracing.__file__).parents[1]


@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"OTEL_EXPORTER_OTLP_ENDPOINT": ""},
        {"OTEL_SERVICE_NAME": "xray"},
        ENDPOINT | {"OTEL_SDK_DISABLED": "true"},
        ENDPOINT | {"OTEL_TRACES_EXPORTER": "none"},
    ],
)
def test_none_are_made_unless_asked_for(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    assert tracing.spans(environment) is None
    assert caplog.messages == []


def test_opentelemetry_is_imported_in_one_place() -> None:
    importing = {
        path.relative_to(APP).as_posix()
        for path in APP.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("opentelemetry")
    }
    assert importing == {"http/spans.py"}


def test_a_missing_extra_is_told_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delitem(sys.modules, "app.http.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    with caplog.at_level(logging.INFO):
        assert tracing.spans(ENDPOINT) is None
    assert caplog.messages == [
        "No traces are sent: OTEL_EXPORTER_OTLP_ENDPOINT is set, but pneumoscope[otel] is not"
        " installed."
    ]


def test_another_protocol_is_told(caplog: pytest.LogCaptureFixture) -> None:
    assert tracing.spans(ENDPOINT | {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}) is None
    assert caplog.messages == [
        "No traces are sent: OTEL_EXPORTER_OTLP_PROTOCOL is not http/protobuf, which is all that"
        " is spoken."
    ]
