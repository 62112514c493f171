"""OpenVINO, without the part of it that calls Google Analytics whenever it is imported.

`openvino.tools.ovc` converts models, which nothing here does. Its import reports to Google through
`openvino_telemetry`, asks nobody, and keeps a number under the home directory. This is the one
place that imports OpenVINO; whoever needs it takes it from here.
"""

import sys

# An ImportError to whoever imports it now, which `openvino` itself passes over.
sys.modules["openvino.tools.ovc"] = None  # type: ignore[assignment]

import openvino as ov  # noqa: E402
from openvino import opset13 as ops  # noqa: E402
from openvino import properties  # noqa: E402

__all__ = ["ops", "ov", "properties"]
