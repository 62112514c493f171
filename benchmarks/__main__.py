"""`python -m benchmarks`: measure the service against what others would pick."""

from benchmarks.cli import app

if __name__ == "__main__":
    app()
