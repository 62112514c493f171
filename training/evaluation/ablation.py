"""Which view of an image keeps an answer off how the image was taken.

Each view is judged by a classifier that takes a minute: features of an ImageNet network that was
trained no further, pooled over the lungs, and a logistic regression. It ranks views, and says
nothing of how good a fine-tuned model is.

What counts is how it fares across groups of images that were taken alike. A group's normal images
are left out of the fit and told from the pneumonia of held-out patients: where a view shows how an
image was taken, a group that the fit has never seen is taken for pneumonia.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np
import numpy.typing as npt
import typer
from keras import ops
from pydantic import TypeAdapter
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

from app.imaging.decode import MODEL_SIDE
from training.data import balance, labelled
from training.fit import field, lungs, model
from training.fit.view import LungPooling, alike, locally_alike

BACKBONE = "ResNet50"

_POPULATIONS: tuple[labelled.Population, ...] = ("child", "adult")
_BATCH = 32
_STRIDES = 8, 16
_PENALTY = 0.003
_ITERATIONS = 400
_SENSITIVITY = 0.96
_QUANTILES = np.linspace(0, 1, 65)
_LEAST_DETAIL = 0.1

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating[Any]]
# Of the images cropped to the box and of what counts in it, both `[N, side, side]`, to the three
# channels that are seen.
View = Callable[[Any, Any], tuple[Any, Any, Any]]


def _gray(images: Any, inside: Any) -> tuple[Any, Any, Any]:
    return images, images, images


def _alike(images: Any, inside: Any) -> tuple[Any, Any, Any]:
    return _gray(alike(images, inside), inside)


def _locally_alike(images: Any, inside: Any) -> tuple[Any, Any, Any]:
    return _gray(locally_alike(images, inside), inside)


def _both(images: Any, inside: Any) -> tuple[Any, Any, Any]:
    one, other = alike(images, inside), locally_alike(images, inside)
    return one, other, (one + other) / 2


WHOLE = "the whole image"
VIEWS: Mapping[str, View] = {
    WHOLE: _gray,
    "the lungs' box": _gray,
    "gray outside, mean and deviation": _alike,
    "gray outside, local mean and deviation": _locally_alike,
    "both looks": _both,
}


@dataclass(frozen=True)
class Group:
    """Normal images that were taken alike, which a fit leaves out.

    Attributes:
        name: as it is told.
        members: the normal images, `[N]`.
        others: whose pneumonia they are told from, `[N]`.
        sensitivity: where their specificity is told; the threshold has it on held-out pneumonia.
    """

    name: str
    members: Mask
    others: Mask
    sensitivity: float


@dataclass(frozen=True)
class LeftOut:
    """A group's images, told from pneumonia by a fit that has seen none of them.

    Attributes:
        images: in the group.
        roc_auc: against the pneumonia.
        specificity: at the group's sensitivity.
    """

    images: int
    roc_auc: float
    specificity: float


@dataclass(frozen=True)
class Worth:
    """What a view is worth.

    Attributes:
        held_out: by population, the `roc_auc` on held-out images.
        groups: by name, those that are left out.
        look: of held-out normal images of children, the specificity `as_they_are` and in
            `pneumonias_look`; empty where there are none.
    """

    held_out: dict[str, dict[str, float]]
    groups: dict[str, LeftOut]
    look: dict[str, float]


def ablate(
    samples: Sequence[labelled.Sample],
    finder: keras.Model,
    weights: str,
    out: Path,
    views: Sequence[str],
    seed: int = 0,
) -> str:
    """Measure every view that `out` does not hold yet; returns the table of all that it holds.

    Args:
        samples: to be split by patient.
        finder: of lungs, trained.
        weights: as for `model.build`.
        out: a JSON file for each view, so that a stopped run goes on.
        views: keys of `VIEWS`.
        seed: of the split.

    Raises:
        DataError, WeightsError: unusable images or weights.
    """
    out.mkdir(parents=True, exist_ok=True)
    if missing := [view for view in views if not (out / f"{view}.json").exists()]:
        images = labelled.load(samples, "images")
        marked = lungs.mark(finder, images.pixels)
        kept = {sample.path for sample in labelled.split(samples, seed)[labelled.TRAIN]}
        held_out = np.array([sample.path not in kept for sample in images.samples])
        network = _network(weights)
        for view in missing:
            found = measure(view, images, marked, held_out, network)
            (out / f"{view}.json").write_text(json.dumps(asdict(found), indent=2) + "\n")
            typer.echo(f"{view} is done")
    files = {view: out / f"{view}.json" for view in VIEWS}
    read = TypeAdapter(Worth).validate_json
    return table({view: read(file.read_bytes()) for view, file in files.items() if file.exists()})


def measure(
    view: str, images: labelled.Images, marked: lungs.Gray, held_out: Mask, network: keras.Model
) -> Worth:
    """What a view is worth.

    Args:
        view: a key of `VIEWS`.
        images: N.
        marked: their lungs, as `lungs.mark` gives them.
        held_out: which of them no fit sees, `[N]`.
        network: as `_network` builds it.
    """
    samples, labels = images.samples, images.labels.astype(int)
    sure = np.array([sample.weight == 1 for sample in samples])
    seen = features(view, images.pixels, marked, network)
    classifier = _fitted(seen, samples, ~held_out)
    scores = classifier.decision_function(seen)
    by_population: dict[str, dict[str, float]] = {}
    for population in _POPULATIONS:
        chosen = held_out & sure & _of(samples, population)
        if len(np.unique(labels[chosen])) == len(labelled.LABELS):
            area = roc_auc_score(labels[chosen], scores[chosen])
            by_population[population] = {"roc_auc": float(area)}
    told = {}
    for group in groups(samples):
        sick = group.others & held_out & sure & (labels == 1)
        rest = ~held_out & ~group.members
        if not group.members.any() or not sick.any() or not (labels[rest] == 0).any():
            continue
        without = _fitted(seen, samples, rest).decision_function(seen)
        chosen = group.members | sick
        threshold = np.quantile(without[sick], 1 - group.sensitivity)
        told[group.name] = LeftOut(
            images=int(group.members.sum()),
            roc_auc=float(roc_auc_score(labels[chosen], without[chosen])),
            specificity=float((without[group.members] < threshold).mean()),
        )

    def answer(pixels: lungs.Gray, shares: lungs.Gray) -> Floats:
        found: Floats = classifier.decision_function(features(view, pixels, shares, network))
        return found

    look = _look(images, marked, held_out & sure, scores, answer)
    return Worth(by_population, told, look)


def groups(samples: Sequence[labelled.Sample]) -> list[Group]:
    """The two runs of study numbers in *Chest X-Ray Images (Pneumonia)*, and adults taken AP.

    Adults who lie in bed are mostly ill: normal ones are rare, and look like no other normal image.
    """
    names = np.array([sample.path.name for sample in samples])
    normal = np.array([sample.label == 0 for sample in samples])
    child, adult = _of(samples, "child"), _of(samples, "adult")
    anterior = adult & np.array([sample.view == "AP" for sample in samples])
    children = normal & child
    runs = {run: children & np.char.startswith(names, f"{run}-") for run in ("IM", "NORMAL2-IM")}
    return [
        *(Group(f"run {run}", members, child, _SENSITIVITY) for run, members in runs.items()),
        Group("adults AP", normal & anterior, adult, 0.9),
    ]


def features(
    view: str, pixels: lungs.Gray, marked: lungs.Gray, network: keras.Model
) -> npt.NDArray[np.float32]:
    """The mean of the finer maps over the field, and of the coarser ones over the lungs: `[N, F]`.

    Args:
        view: a key of `VIEWS`.
        pixels: uint8 `[N, 224, 224, 1]`.
        marked: P(lung) in 255ths, uint8 `[N, 112, 112, 1]`.
        network: as `_network` builds it.
    """
    pooling = LungPooling()
    found = []
    for at in range(0, len(pixels), _BATCH):
        shown, cells = _shown(view, pixels[at : at + _BATCH], marked[at : at + _BATCH])
        fine, coarse = network.predict_on_batch(shown)
        pooled = [fine.mean((1, 2)), ops.convert_to_numpy(pooling(coarse, cells))]
        found.append(np.concatenate(pooled, axis=1))
    return np.concatenate(found)


def given_look(
    pixels: lungs.Gray, marked: lungs.Gray, like: tuple[lungs.Gray, lungs.Gray]
) -> lungs.Gray:
    """Images with the tone and the detail, noise included, that other ones have in their lungs.

    Args:
        pixels: uint8 `[N, 224, 224, 1]`.
        marked: their lungs in 255ths, uint8 `[N, 112, 112, 1]`.
        like: the same two of M other images.
    """
    others = list(zip(like[0][..., 0], _insides(like[1]), strict=True))
    tone = np.quantile(np.concatenate([one[inside] for one, inside in others]), _QUANTILES)
    wanted = np.median([_details(one, inside) for one, inside in others if inside.any()], axis=0)
    changed = []
    for image, inside in zip(pixels[..., 0], _insides(marked), strict=True):
        if not inside.any():
            changed.append(image)
            continue
        own = np.quantile(image[inside], _QUANTILES)
        toned = np.interp(image, own, tone).astype(np.float32)
        fine, coarse = wanted / np.maximum(_details(toned, inside), _LEAST_DETAIL)
        soft, softer = _octaves(toned)
        look = softer + coarse * (soft - softer) + fine * (toned - soft)
        changed.append(np.rint(np.clip(look, 0, 255)).astype(np.uint8))
    return np.stack(changed)[..., np.newaxis]


def table(found: Mapping[str, Worth]) -> str:
    """A row for each view, in Markdown."""
    first = next(iter(found.values()))
    head = ["", *(f"{population}: ROC AUC" for population in first.held_out)]
    for group in first.groups:
        head += [f"{group}: ROC AUC", "specificity"]
    head += ["normal: specificity", "in pneumonia's look"] if first.look else []
    rows = [
        [
            view,
            *(f"{each['roc_auc']:.4f}" for each in one.held_out.values()),
            *(
                figure
                for each in one.groups.values()
                for figure in (f"{each.roc_auc:.4f}", f"{each.specificity:.3f}")
            ),
            *(f"{value:.3f}" for value in one.look.values()),
        ]
        for view, one in found.items()
    ]
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _look(
    images: labelled.Images,
    marked: lungs.Gray,
    held_out: Mask,
    scores: Floats,
    answer: Callable[[lungs.Gray, lungs.Gray], Floats],
) -> dict[str, float]:
    """The specificity on held-out children, as they are and in the look of pneumonia."""
    child = _of(images.samples, "child")
    normal, sick = (np.flatnonzero(held_out & child & (images.labels == label)) for label in (0, 1))
    if not len(normal) or not len(sick):
        return {}

    threshold = np.quantile(scores[sick], 1 - _SENSITIVITY)
    like = images.pixels[sick], marked[sick]
    changed = given_look(images.pixels[normal], marked[normal], like)
    return {
        "as_they_are": float((scores[normal] < threshold).mean()),
        "pneumonias_look": float((answer(changed, marked[normal]) < threshold).mean()),
    }


def _network(weights: str) -> keras.Model:
    """Fields 0..255 `[N, side, side, 3]` to maps of an eighth and of a sixteenth of their side."""
    trunk, preprocess_input, _ = model.pretrained(BACKBONE, weights)
    side = trunk.input_shape[1]
    last = {layer.output.shape[1]: layer.output for layer in trunk.layers}
    maps = keras.Model(trunk.input, [last[side // stride] for stride in _STRIDES])
    rgb = keras.Input((side, side, 3))
    return keras.Model(rgb, maps(preprocess_input(rgb)))


def _shown(view: str, pixels: lungs.Gray, marked: lungs.Gray) -> tuple[Any, Any]:
    """What the network sees, `[N, side, side, 3]`, and what the cells of its coarser maps count."""
    side = model.FIELD_SIDE
    images = ops.convert_to_tensor(pixels[..., 0].astype(np.float32))
    share = ops.convert_to_tensor(marked[..., 0].astype(np.float32) / 255)
    if view == WHOLE:
        whole = np.tile(np.array([0, 0, 1, 1], np.float32), (len(pixels), 1))
        boxes, share = ops.convert_to_tensor(whole), ops.ones_like(share)
    else:
        boxes = field.box(share)
    inside = field.crop(field.hull(share), boxes, side)
    channels = VIEWS[view](field.crop(images, boxes, side), inside)
    cells = field.gathered(share, boxes, side // _STRIDES[-1])
    return ops.stack(channels, axis=-1), cells[..., None]


def _fitted(
    seen: npt.NDArray[np.float32], samples: Sequence[labelled.Sample], chosen: Mask
) -> Pipeline:
    """A logistic regression on some of the samples, in which every label of every set is alike."""
    some = [sample for sample, is_in in zip(samples, chosen, strict=True) if is_in]
    regression = LogisticRegression(C=_PENALTY, max_iter=_ITERATIONS)
    classifier = make_pipeline(StandardScaler(), regression)
    labels = [sample.label for sample in some]
    counts = balance.weights(some)
    return classifier.fit(seen[chosen], labels, logisticregression__sample_weight=counts)


def _of(samples: Sequence[labelled.Sample], population: labelled.Population) -> Mask:
    return np.array([sample.population == population for sample in samples])


def _insides(marked: lungs.Gray) -> list[Mask]:
    """Where the lungs are, in the frame of the image: `[224, 224]` each."""
    size = MODEL_SIDE, MODEL_SIDE
    return [np.asarray(cv2.resize(share, size) > 127) for share in marked[..., 0]]


def _details(image: npt.NDArray[Any], inside: Mask) -> Floats:
    """The mean absolute detail in the finest octave and in the next one, in gray levels: `[2]`."""
    plain = image.astype(np.float32)
    soft, softer = _octaves(plain)
    return np.array([np.abs(band[inside]).mean() for band in (plain - soft, soft - softer)])


def _octaves(image: npt.NDArray[np.float32]) -> list[npt.NDArray[np.float32]]:
    return [np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32) for sigma in (1, 2)]
