"""What a loaded model must pass before it answers anybody, on images that are built in.

No patient's image comes with the program, but the mean of the 1,341 NORMAL training images does (56
by 56 pixels; Kermany 2018, doi:10.17632/rscbjbr9sj, CC BY 4.0), on which a model can find lungs. So
this tells whether the files compute on this machine what they should, and not how well the model
reads: that is for `PNEUMOSCOPE_SHADOW`, on the images that come.
"""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from app.imaging.decode import MODEL_SIDE, to_model_input
from app.inference.contract import OUTPUTS, Answers, Engine
from model_store.manifest import Manifest
from model_store.store import ModelError

_MEAN_CHEST = Path(__file__).with_name("mean_chest.png")
# Of a probability: what 8 bits, bfloat16 or the size of a batch may make of it.
_TOLERANCE = 0.03


def run(engine: Engine, manifest: Manifest) -> None:
    """Infer the built-in images, one alone, and in batches of every power of two.

    Raises:
        ModelError: an answer is not finite, a probability is not what the manifest makes of its
            logit, or it is another one in a larger batch.
        Exception: whatever the engine raises.
    """
    images, of_the_first = built_in_images(), []
    for power in range(engine.max_batch.bit_length()):
        answers = engine.infer(np.resize(images, (1 << power, *images.shape[1:])))
        _check(answers, manifest)
        of_the_first.append(answers.probability[0])
    if np.ptp(of_the_first) > _TOLERANCE:
        raise ModelError("The model's answer to a built-in image depends on its batch.")


def _check(answers: Answers, manifest: Manifest) -> None:
    if not all(np.isfinite(getattr(answers, name)).all() for name in OUTPUTS):
        raise ModelError("The model's answers to the built-in images are not finite.")
    scaling = manifest.calibration.scaling
    log_odds = answers.logit.astype(np.float64) / scaling.temperature + scaling.bias
    # Without an overflow, unlike 1 / (1 + exp(-x)).
    expected = (1 + np.tanh(log_odds / 2)) / 2
    if np.abs(answers.probability - expected).max() > _TOLERANCE:
        raise ModelError(
            "The model's probabilities of the built-in images are not what its manifest makes of "
            "their logits."
        )


def built_in_images() -> npt.NDArray[np.uint8]:
    """Four images, uint8 `[4, 224, 224, 1]`: the mean chest, nothing, a ramp, and noise."""
    with Image.open(_MEAN_CHEST) as mean:
        chest = to_model_input(np.asarray(mean))[..., 0]
    ramp = np.tile(np.linspace(0, 255, MODEL_SIDE).astype(np.uint8), (MODEL_SIDE, 1))
    noise = np.random.default_rng(0).integers(0, 256, ramp.shape, np.uint8)
    return np.stack([chest, np.zeros_like(chest), ramp, noise])[..., np.newaxis]
