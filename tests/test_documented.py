"""What an operator sets, a client meets and a monitor scrapes is in the documentation."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from prometheus_client import CollectorRegistry

from app import errors
from app.codes import Reason, WarningCode
from app.host import environment
from app.http.routes import docs, explain, picture, predict, service, studies
from app.pacs.node.metrics import NodeMetrics
from app.pacs.node.settings import NodeSettings
from app.pacs.node.spool import Room, Spool
from app.reading.metrics import Metrics
from app.settings import Settings

ROOT = Path(__file__).parents[1]
API, CONFIGURE, PACS = (
    (ROOT / "docs" / name).read_text() for name in ("api.md", "configure.md", "pacs.md")
)
PREFIX = NodeSettings.model_config["env_prefix"]
# Whose first argument, or second one, is a code.
MAKES_A_PROBLEM = {"Problem": 1, "_bad_request": 0, "_unavailable": 0}


@pytest.mark.parametrize("name", environment.names(Settings))
def test_settings(name: str) -> None:
    assert f"`{name}`" in CONFIGURE


@pytest.mark.parametrize("name", [*environment.names(NodeSettings), *environment.CREDENTIALS])
def test_settings_of_the_node(name: str) -> None:
    assert f"`{name}`" in PACS or f"`{name.removeprefix(PREFIX)}`" in PACS


def names(registry: CollectorRegistry) -> set[str]:
    """As a scrape has them, without the suffixes of a histogram."""
    kinds = {"counter": "_total", "info": "_info"}
    found = {metric.name + kinds.get(metric.type, "") for metric in registry.collect()}
    return {name for name in found if not name.startswith("process_")}


def test_metrics() -> None:
    assert not {name for name in names(Metrics().registry) if f"`{name}`" not in CONFIGURE}


def test_metrics_of_the_node(tmp_path: Path) -> None:
    registry = CollectorRegistry()
    spool = Spool(tmp_path / "spool", Room(1, 1, 0))
    NodeMetrics(registry, spool)
    spool.close()
    assert not {name for name in names(registry) if f"`{name}`" not in PACS}


@pytest.mark.parametrize("module", [docs, explain, picture, predict, service, studies])
def test_endpoints(module: object) -> None:
    routes = [r for r in module.router.routes if isinstance(r, APIRoute)]  # type: ignore[attr-defined]
    shown = [route.path for route in routes if route.include_in_schema]
    assert not [path for path in shown if f"{path}`" not in API]


def codes() -> Iterator[str]:
    """Every code of a problem in the source."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.ImageError | errors.UnavailableError):
            yield from [code for code in [getattr(kind, "code", None)] if code]
    for file in (ROOT / "app" / "http").rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                where = MAKES_A_PROBLEM.get(node.func.id)
                if where is not None and len(node.args) > where:
                    argument = node.args[where]
                    if isinstance(argument, ast.Constant):
                        yield str(argument.value)


@pytest.mark.parametrize("code", sorted(set(codes())))
def test_codes_of_problems(code: str) -> None:
    assert f"`{code}`" in API


@pytest.mark.parametrize("code", sorted({*WarningCode, *Reason}))
def test_codes_of_warnings_and_reasons(code: str) -> None:
    assert f"`{code}`" in API
