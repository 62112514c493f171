"""Training, calibration, evaluation and export of the model: `python -m training --help`."""

from app.host import scratch  # noqa: F401  (before whatever imports Keras or matplotlib)
