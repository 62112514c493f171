"""Where a training goes on that was killed: Keras' backup of it, and the log beside that."""

import csv
import json
import shutil
import zlib
from pathlib import Path

import h5py

BACKUP, LOG = "backup", "log.csv"

Rows = list[dict[str, str]]


def log(folder: Path) -> Rows:
    """The rows of a log, one for each finished epoch."""
    path = folder / LOG
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def rewind(folder: Path) -> Rows:
    """Take the log back to the backup, where the training goes on; returns the rows that stay.

    The epoch after the last backup is trained again, so it must not count twice.
    """
    epochs = _mend(folder / BACKUP)
    rows = log(folder)
    kept = [row for row in rows if int(row["epoch"]) < epochs]
    if len(kept) < len(rows):
        fresh = folder / "log.new"
        with fresh.open("w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys())
            writer.writeheader()
            writer.writerows(kept)
        fresh.replace(folder / LOG)
    return kept


def seed(base: int, folder: Path) -> int:
    """A seed of what a phase draws at random from here on.

    Each phase has its own, and so has each epoch where a training goes on. With the base alone a
    phase, or a resumed training, would draw what has been drawn before, and so learn from images
    that it has seen in just that order, distorted in just that way.

    Args:
        base: the run's.
        folder: the phase's.
    """
    return zlib.crc32(f"{base} {folder.name} {len(log(folder))}".encode()) >> 1


def _mend(backup: Path) -> int:
    """The number of epochs in Keras' backup, which a kill may have broken while it was written.

    Where the current files are broken the previous ones take their place. Keras does that too,
    but stops at an empty metadata file, and where the very first backup is broken.
    """
    names = ("latest.weights.h5", "training_metadata.json")
    for suffix in ("", ".bkp"):
        weights, metadata = (backup / (name + suffix) for name in names)
        try:
            h5py.File(weights).close()
            epochs = int(json.loads(metadata.read_text())["epoch"])
        except (OSError, ValueError):
            continue
        for name in names if suffix else ():
            shutil.copy(backup / (name + suffix), backup / name)
        return epochs
    shutil.rmtree(backup, ignore_errors=True)
    return 0
