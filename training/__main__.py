"""`python -m training`: download the images, fit, export and evaluate."""

from training.cli import app

if __name__ == "__main__":
    app()
