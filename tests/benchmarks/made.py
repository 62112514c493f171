"""Results and uploads that were never measured."""

from io import BytesIO

from PIL import Image

from benchmarks.load import Load
from benchmarks.results import Cell, Outcome, Results
from benchmarks.uploads import Upload

MB = 1_000_000


def load(requests_per_second: float, latency: float, **errors: int) -> Load:
    return Load(requests_per_second, latency, 2 * latency, 3 * latency, errors, 0.05)


def results() -> Results:
    """Ours twice as fast as another, the bare loop, and two that were not measured."""
    ours, other, bare = (
        [
            Cell(upload, concurrency, load(rate * concurrency, 0.01 / share), memory * MB)
            for upload in ("small", "original")
            for concurrency in (1, 4)
        ]
        for rate, share, memory in ((100, 1, 200), (50, 0.5, 800), (120, 1, 150))
    )
    outcomes = [
        Outcome("pneumoscope", 0.5, ours),
        Outcome("engine and decoder, no HTTP", None, bare),
        Outcome("LitServe, OpenVINO", 4.0, other),
        Outcome("BentoML, OpenVINO", problem="skipped: bentoml not installed"),
        Outcome("Ray Serve, OpenVINO", problem="failed: a | b\nc", failed=True),
    ]
    uploads = {"small": "224 x 224", "original": "1700 x 1250"}
    return Results("2026-01-02", {"CPU": "Abacus, 2 cores"}, uploads, 10, outcomes)


def upload(name: str = "small") -> Upload:
    """A gray square of 224 x 224 pixels."""
    file = BytesIO()
    Image.new("L", (224, 224), 90).save(file, "JPEG")
    return Upload(name, "a gray square", file.getvalue(), (224, 224))
