"""Ask an engine about any number of images."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import typer

from app.inference.contract import OUTPUTS, Answers


class Answering(Protocol):
    """An engine, or a model that none has loaded yet."""

    max_batch: int

    def infer(self, images: npt.NDArray[np.uint8]) -> Answers:
        """Answer uint8 `[N, 224, 224, 1]`, N at most `max_batch`."""
        ...


def infer(engine: Answering, pixels: npt.NDArray[np.uint8], title: str | None = None) -> Answers:
    """The engine's answers to uint8 `[N, 224, 224, 1]`, in their order.

    Args:
        engine: what answers, at most `max_batch` images at a time.
        pixels: N at least 1.
        title: of a progress bar, which is not shown without one.
    """
    starts = range(0, len(pixels), engine.max_batch)
    with typer.progressbar(starts, label=title, hidden=title is None) as batches:
        return joined([engine.infer(pixels[at : at + engine.max_batch]) for at in batches])


def joined(parts: Sequence[Answers]) -> Answers:
    """The answers to the images of all parts, in their order."""
    return Answers(
        *(np.concatenate([getattr(part, output) for part in parts]) for output in OUTPUTS)
    )
