"""The contestants: who they are, and how each is started."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

_PYTHON = sys.executable
_HERE = "benchmarks.contestants"


@dataclass(frozen=True)
class Contestant:
    """A server to be measured.

    Attributes:
        name: as it stands in the table.
        command: starts it; `{port}` becomes the port that it has to listen on.
        requires: the top-level modules that have to be installed.
        environment: variables for it, beside ours.
        path: where it takes images.
    """

    name: str
    command: tuple[str, ...]
    requires: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    path: str = "/predict"

    @property
    def missing(self) -> list[str]:
        """Those of the modules that are not installed."""
        return [module for module in self.requires if find_spec(module) is None]


def _fastapi(title: str, runtime: str) -> Contestant:
    app = f"{_HERE}.fastapi_app:app"
    return Contestant(
        f"FastAPI, {title}",
        (_PYTHON, "-m", "uvicorn", app, "--port", "{port}", "--no-access-log"),
        ("tensorflow",),
        {"BENCHMARK_RUNTIME": runtime},
    )


def _litserve(runtime: str) -> Contestant:
    return Contestant(
        f"LitServe, {_TITLES[runtime]}",
        (_PYTHON, "-m", f"{_HERE}.litserve_app", "{port}"),
        ("litserve", runtime),
        {"BENCHMARK_RUNTIME": runtime},
    )


def _bentoml(runtime: str) -> Contestant:
    service = f"{_HERE}.bentoml_app:Classifier"
    where = ("--host", "127.0.0.1", "--port", "{port}")
    return Contestant(
        f"BentoML, {_TITLES[runtime]}",
        (_PYTHON, "-m", "bentoml", "serve", service, *where),
        ("bentoml", runtime),
        {"BENCHMARK_RUNTIME": runtime, "BENTOML_DO_NOT_TRACK": "True"},
    )


_TITLES = {"tensorflow": "TensorFlow", "openvino": "OpenVINO"}
_SERVE = (str(Path(_PYTHON).with_name("pneumoscope")), "serve")
# The engine of a machine without a GPU, whatever this one has: the others compute on the CPU too.
# A drawn chest, which is what is sent where there are no X-rays, is no chest to the lung finder.
_OURS = {
    "PNEUMOSCOPE_PORT": "{port}",
    "PNEUMOSCOPE_ENGINE": "openvino",
    "PNEUMOSCOPE_UNSUITABLE": "warn",
}

OURS = Contestant("pneumoscope", _SERVE, environment=_OURS)
OTHERS = (
    Contestant("pneumoscope, /explain", _SERVE, environment=_OURS, path="/explain"),
    _fastapi("Keras predict", "keras"),
    _fastapi("SavedModel signature", "tensorflow"),
    _litserve("tensorflow"),
    _litserve("openvino"),
    _bentoml("tensorflow"),
    _bentoml("openvino"),
    Contestant(
        "Ray Serve, OpenVINO",
        (_PYTHON, "-m", f"{_HERE}.ray_app", "{port}"),
        ("ray", "openvino"),
        {"BENCHMARK_RUNTIME": "openvino", "RAY_USAGE_STATS_ENABLED": "0"},
    ),
)
BARE = "engine and decoder, no HTTP"
