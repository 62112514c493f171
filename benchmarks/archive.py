"""What `pneumoscope archive` costs beside its engine and decoder.

`python -m benchmarks.archive FOLDER` reads the images under a folder, as they are and as DICOM. The
archive, from the folder to the table, and the bare loop over the same files take turns in one
process with one loaded model, so that whatever else the machine does befalls both.
"""

import asyncio
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from threading import Semaphore

import numpy as np

from app.archive import command
from app.host import cores
from app.imaging.decode import decode, to_model_input
from app.inference.contract import Engine
from app.inference.load import load
from app.reading.metrics import Metrics
from app.reading.reader import Reader
from app.reading.served import Served
from benchmarks.images import as_dicom
from model_store.store import ModelVersion, resolve

_ROUNDS = 5
_COPIES = 5


@dataclass(frozen=True)
class Cost:
    """Of an image: seconds on the clock, and of processors."""

    wall: float
    cpu: float


def bare(engine: Engine, files: list[Path]) -> Cost:
    """Read the files with the decoder and the engine alone, in batches, on every core."""
    size = engine.max_batch
    batches = [files[start : start + size] for start in range(0, len(files), size)]
    streams = Semaphore(engine.streams)

    def work(batch: list[Path]) -> None:
        images = np.stack([to_model_input(decode(path.read_bytes()).pixels) for path in batch])
        with streams:
            engine.infer(images)

    began = time.perf_counter(), time.process_time()
    with ThreadPoolExecutor(cores.available()) as pool:
        list(pool.map(work, batches))
    return _cost(began, len(files))


def archived(model: ModelVersion, engine: Engine, files: list[Path], folder: Path) -> Cost:
    """Read the files' folder into a table, once the model is warm."""
    reader = Reader(Served(model.manifest, engine), Metrics())
    out = folder / "table.jsonl"

    async def read() -> Cost:
        async with reader.running():
            await reader.ready()
            began = time.perf_counter(), time.process_time()
            await command.read(reader, command.Archive([str(files[0].parent)], out))
            return _cost(began, len(files))

    cost = asyncio.run(read())
    out.unlink()
    return cost


def _cost(began: tuple[float, float], images: int) -> Cost:
    wall, cpu = began
    return Cost((time.perf_counter() - wall) / images, (time.process_time() - cpu) / images)


def ratios(model: ModelVersion, engine: Engine, images: dict[str, bytes]) -> str:
    """Compare both over copies of images, by their names, and tell the medians in a line.

    No two copies have the same content: the archive reads the same one only once.
    """
    with TemporaryDirectory() as name:
        folder = Path(name) / "images"
        folder.mkdir()
        for copy in range(_COPIES):
            for image, content in images.items():
                # Decoders do not look behind the end of an image.
                (folder / f"{copy}-{image}").write_bytes(content + bytes(2 * copy))
        files = sorted(folder.iterdir())
        bare(engine, files)
        pairs = [
            (bare(engine, files), archived(model, engine, files, Path(name)))
            for _ in range(_ROUNDS)
        ]
    rate = median(1 / ours.wall for _, ours in pairs)
    wall = median(theirs.wall / ours.wall for theirs, ours in pairs)
    cpu = median(theirs.cpu / ours.cpu for theirs, ours in pairs)
    return (
        f"{len(files)} files, {_ROUNDS} rounds: {rate:.1f} images a second, {wall:.3f} of the bare "
        f"rate, {cpu:.3f} by processor time"
    )


def main(folder: str) -> None:
    """Measure, and print."""
    originals = {
        path.name: path.read_bytes()
        for path in sorted(Path(folder).rglob("*"))
        if path.suffix in (".jpeg", ".jpg")
    }
    if not originals:
        sys.exit(f"There is no JPEG under {folder}.")
    model = resolve()
    engine = load(model, "openvino")
    sys.stdout.write(f"JPEG: {ratios(model, engine, originals)}\n")
    dicoms = {name: as_dicom(decode(jpeg).pixels) for name, jpeg in originals.items()}
    sys.stdout.write(f"DICOM, 12 bits, uncompressed: {ratios(model, engine, dicoms)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
