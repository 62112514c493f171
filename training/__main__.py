"""`python -m training`: download the images, fit, export and evaluate."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from training.cli import app

if __name__ == "__main__":
    app()
