"""The network of `tests/tiny_model`, which `python -m tests.tiny_network` writes anew.

It reads drawn chests (`tests.synthetic`) by averages of cells of 8 x 8 pixels. Lungs are what is
dark where lungs are, on an image that looks like the mean of drawn chests; pneumonia is what a
linear regression on the cells within them tells.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from app.imaging.decode import MODEL_SIDE
from tests.tiny import FITTED_TO, KEPT, drawn, write_manifest

# Of 28 x 28 in an image, and of places of a map in a cell.
CELLS, PIXELS, PLACES = 28, 8, 4
CHANNELS = 8
COLOURS = 3
MARGIN = 0.06

Floats = npt.NDArray[np.float32]
_Y, _X = np.mgrid[-1 : 1 : CELLS * 1j, -1 : 1 : CELLS * 1j].astype(np.float32)


def write(folder: Path) -> None:
    """Write the SavedModel and its manifest."""
    model = _Tiny(drawn(FITTED_TO))
    tf.saved_model.save(model, str(folder), {"serving_default": model.serve})
    (folder / "assets").rmdir()
    write_manifest(folder)


class _Tiny(tf.Module):
    def __init__(self, images: npt.NDArray[np.uint8]) -> None:
        super().__init__()
        self._average, self._average_of_colours = (
            tf.Variable(np.full((PIXELS, PIXELS, n, CHANNELS), 1 / 64 / 255 / n, np.float32))
            for n in (1, COLOURS)
        )
        bell = np.exp(-(np.arange(-2, 3) ** 2) / 2)
        blur = np.outer(bell, bell) / bell.sum() ** 2 / CHANNELS
        self._blur = tf.Variable(
            np.tile(blur[:, :, None, None], (1, 1, CHANNELS, CHANNELS)).astype("f4")
        )
        gray = tf.constant(images.astype(np.float32))
        cells, smooth = (values.numpy() for values in self._seen(gray, self._average))
        self._detail = float(np.abs(cells - smooth).mean())
        mean = smooth.mean(axis=0)
        self._chest = tf.Variable((mean - mean.mean()) / mean.std())
        self._mean = tf.Variable(mean)
        self._where = tf.Variable(_where_lungs_are())
        self._weights = tf.Variable(np.zeros((CELLS, CELLS), np.float32))
        lungs = self._lungs(tf.constant(smooth))
        _, inside = _around(lungs > 0.5)
        seen = self._argued(gray, inside).numpy() * (lungs.numpy().mean(axis=0) > 0.3)
        self._weights.assign(_fitted(seen, np.arange(len(images)) % 2 * 2 - 1))

    @tf.function(  # type: ignore[untyped-decorator]
        input_signature=[tf.TensorSpec((None, MODEL_SIDE, MODEL_SIDE, 1), tf.uint8, name="image")]
    )
    def serve(self, image: tf.Tensor) -> dict[str, tf.Tensor]:
        gray = tf.cast(image, tf.float32)
        cells, smooth = self._seen(gray, self._average)
        lungs = self._lungs(smooth)
        field, inside = _around(lungs > 0.5)
        argues = self._weights * self._argued(gray, inside)
        logit = tf.reduce_sum(argues, axis=(1, 2))
        larger = tf.image.resize(lungs[..., tf.newaxis], (CELLS * PLACES, CELLS * PLACES))
        return {
            "logit": logit,
            "probability": tf.sigmoid(logit),
            "cam": tf.repeat(tf.repeat(argues, PLACES, axis=1), PLACES, axis=2),
            "lungs": larger[..., 0],
            "field": field,
            "novelty": tf.reduce_mean(tf.abs(cells - smooth), axis=(1, 2)) / self._detail,
        }

    def _seen(self, image: tf.Tensor, average: tf.Variable) -> tuple[tf.Tensor, tf.Tensor]:
        """The cells' brightness, 0 to 1, and the same without what is fine, `[N, 28, 28]`."""
        cells = tf.nn.relu(tf.nn.conv2d(image, average, PIXELS, "VALID"))
        smooth = tf.nn.relu(tf.nn.conv2d(cells, self._blur, 1, "SAME"))
        return tf.reduce_mean(cells, axis=-1), tf.reduce_mean(smooth, axis=-1)

    def _argued(self, gray: tf.Tensor, inside: tf.Tensor) -> tf.Tensor:
        """How far the field is off the mean; in colours, as the shipped classifier sees it."""
        window = tf.repeat(tf.repeat(inside, PIXELS, axis=1), PIXELS, axis=2)[..., tf.newaxis]
        colours = tf.repeat(gray, COLOURS, axis=3) * window
        _, smooth = self._seen(colours, self._average_of_colours)
        return (smooth - self._mean) * inside

    def _lungs(self, smooth: tf.Tensor) -> tf.Tensor:
        centred = smooth - tf.reduce_mean(smooth, axis=(1, 2), keepdims=True)
        spread = tf.sqrt(tf.reduce_mean(centred**2, axis=(1, 2), keepdims=True)) + 0.05
        alike = tf.reduce_mean(centred / spread * self._chest, axis=(1, 2), keepdims=True)
        dark = tf.sigmoid(20 * (0.5 - smooth))
        return dark * self._where * tf.sigmoid(40 * (alike - 0.5))


def _where_lungs_are() -> Floats:
    across = (np.abs(_X) - 0.42) / 0.42
    down = (_Y + 0.14) / 0.66
    within = np.clip(1 - across**2 - down**4, -1, 1)
    return (1 / (1 + np.exp(-10 * within))).astype(np.float32)


def _fitted(seen: Floats, labels: npt.NDArray[np.int_]) -> Floats:
    """The weights of a ridge regression of -4 and 4, `[28, 28]`."""
    flat = seen.reshape(len(seen), -1).astype(np.float64)
    dual = np.linalg.solve(flat @ flat.T + 0.1 * np.eye(len(flat)), 4.0 * labels)
    return (dual @ flat).reshape(CELLS, CELLS).astype(np.float32)


def _around(found: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The box around what was found, `[N, 4]`, and 1 in its cells, `[N, 28, 28]`."""
    index = tf.range(CELLS, dtype=tf.float32)
    edges, inside = [], []
    for axis in (1, 2):
        hit = tf.reduce_any(found, axis=axis)
        first = tf.reduce_min(tf.where(hit, index, float(CELLS)), axis=1, keepdims=True)
        last = tf.reduce_max(tf.where(hit, index, -1.0), axis=1, keepdims=True)
        inside.append(tf.cast((index >= first) & (index <= last), tf.float32))
        edges.append((first / CELLS - MARGIN, (last + 1) / CELLS + MARGIN))
    (left, right), (top, bottom) = edges
    columns, rows = inside
    return (
        tf.concat([left, top, right, bottom], axis=1),
        rows[:, :, tf.newaxis] * columns[:, tf.newaxis, :],
    )


if __name__ == "__main__":
    write(KEPT)
