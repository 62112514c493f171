"""Training, calibration, evaluation and export of the model: `python -m training --help`."""
