"""What a model's answers owe to how an image was taken, on held-out images.

Two questions. How do its figures change when the same images are cropped, exposed, blurred or
compressed differently? And how well does it tell the labels apart where acquisition argues against
them (see `acquisition`)?
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from sklearn.metrics import roc_auc_score

from app.imaging.decode import MODEL_SIDE, to_model_input
from app.inference.contract import Answers, Engine
from training.data import labelled, phantoms
from training.evaluation import acquisition, bootstrap
from training.evaluation.answers import Answering, infer
from training.evaluation.measured import Acquisition, Shift, Taken
from training.evaluation.weighted import Answered
from training.fit.batches import through_jpeg

Gray = npt.NDArray[np.uint8]

FILE_NAME = "taken_otherwise.png"

_CROP = MODEL_SIDE // 10
_SEED = 1
_RESAMPLES = 1_000
_DPI = 72


def changed() -> dict[str, Callable[[Gray], Gray]]:
    """Ways to take the same image otherwise, each on uint8 `[224, 224]`."""
    return {
        "cropped": _cropped,
        "low contrast": lambda image: (60 + image * 0.5).astype(np.uint8),
        "brighter": lambda image: _gamma(image, 0.6),
        "darker": lambda image: _gamma(image, 1.6),
        "blurred": lambda image: cv2.GaussianBlur(image, (0, 0), 1.5).astype(np.uint8),
        "compressed": lambda image: through_jpeg(image, 20),
    }


def measure(engine: Answering, images: labelled.Images, plain: Answers, threshold: float) -> Shift:
    """Figures of the images as they are and as `changed`, and by what acquisition argues for.

    Args:
        engine: the model.
        images: held out, of both labels.
        plain: the model's answers to the images as they are.
        threshold: PNEUMONIA is answered where probability >= threshold.

    Returns:
        Acquisition too where there are five patients of each label or more.
    """
    patients = np.array(images.patients)
    taken = {"as they are": _figures(images.labels, patients, plain.probability, threshold)}
    for name, change in changed().items():
        pixels = np.stack([change(image[..., 0]) for image in images.pixels])[..., np.newaxis]
        found = infer(engine, pixels).probability
        taken[name] = _figures(images.labels, patients, found, threshold)
    if not acquisition.has_enough_patients(images):
        return Shift(taken, None)
    by_acquisition = acquisition.probability(images)
    against = acquisition.against(by_acquisition, images.labels)
    groups = {"against": against, "rest": ~against}
    told = {
        name: _figures(images.labels[group], patients[group], plain.probability[group], threshold)
        for name, group in groups.items()
    }
    alone = _figures(images.labels, patients, by_acquisition, threshold)
    return Shift(taken, Acquisition(**told, alone=alone, images=int(against.sum())))


def figure(engine: Engine, threshold: float) -> Figure:
    """Two drawn chests, one with a consolidation, as they are and as `changed`, with the answers.

    Args:
        engine: the model.
        threshold: PNEUMONIA is answered where probability >= threshold.
    """
    ways: dict[str, Callable[[Gray], Gray]] = {"as they are": lambda image: image} | changed()
    drawn = Figure(figsize=(2 * len(ways), 5), dpi=_DPI, layout="constrained")
    for row, pneumonia in zip(drawn.subplots(2, len(ways)), (False, True), strict=True):
        chest = to_model_input(phantoms.chest(_SEED, pneumonia=pneumonia))[..., 0]
        pixels = np.stack([change(chest) for change in ways.values()])[..., np.newaxis]
        probabilities = infer(engine, pixels).probability
        for axes, way, image, probability in zip(row, ways, pixels, probabilities, strict=True):
            axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255)
            answer = labelled.LABELS[int(probability >= threshold)]
            axes.set_title(f"{way}\n{answer}, P = {probability:.2f}", fontsize=9)
            axes.axis("off")
    return drawn


def _figures(
    labels: npt.NDArray[np.float32],
    patients: npt.NDArray[np.str_],
    probabilities: npt.NDArray[np.floating],
    threshold: float,
) -> Taken:
    truth, scores = labels.astype(np.int64), probabilities.astype(np.float64)
    called = scores >= threshold
    no_sets = np.zeros((len(truth), 2), bool)
    answered = Answered(truth, scores, called.astype(np.int64), no_sets)
    values = {
        "roc_auc": float(roc_auc_score(truth, scores)),
        "sensitivity": float(called[truth == 1].mean()),
        "specificity": float(1 - called[truth == 0].mean()),
    }
    return Taken(**bootstrap.estimates(values, answered, list(patients), _RESAMPLES))


def _cropped(image: Gray) -> Gray:
    """Without a tenth of the image at each edge."""
    inner = image[_CROP:-_CROP, _CROP:-_CROP]
    return cv2.resize(inner, (MODEL_SIDE, MODEL_SIDE)).astype(np.uint8)


def _gamma(image: Gray, gamma: float) -> Gray:
    return np.rint(255 * (image / 255) ** gamma).astype(np.uint8)
