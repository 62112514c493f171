"""Check, on held-out images, that Grad-CAM tells where the model looked.

**Deletion and insertion** (Petsiuk 2018, RISE, arXiv:1806.07421). The pixels of an image, those
that argue most for the model's answer first, are replaced by a baseline, or put into it; the sooner
that takes the answer away, or brings it, the better the map. Two choices differ from the paper's:

- The baseline is not the blurred image but a *donor*: the same pixels of another image, to which
  the model gives the other answer. A blurred chest has no pneumonia, but is no chest X-ray either:
  the first released model answers PNEUMONIA to each one, at log-odds of 4 to 10, so blurring
  takes nothing away from that answer. With a donor every curve joins two answers.
- The curve is that of the log-odds, as probabilities hardly move before the answer tips. Areas
  under both are told. Log-odds of different images span different ranges, so what is compared are
  two maps of the same image and donor.

All pixels of the image are ranked, so that every curve joins the image and its donor. Where there
is no lung the map is 0: that lies between what argues for the answer and what argues against it.

Grad-CAM is held against the same map rolled to a random place, which keeps its shape and
smoothness; against the lungs alone, since a map that tells no more than where the lungs are beats
any misplaced one, too; and against occlusion (Zeiler and Fergus 2014, arXiv:1311.2901): how far a
donor's patch moves the log-odds, which is what a map of 7 x 7 patches could reach.

**Randomised weights** (Adebayo 2018, arXiv:1810.03292). A map that explains the model changes with
it: the classifier's layers are randomised from the head down, and the map correlated with the
original one, over the lungs. The finder of lungs stays as it is: without lungs there is no map.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy.special import expit
from scipy.stats import rankdata

from app.imaging.decode import MODEL_SIDE
from app.inference.contract import Engine
from model_store.store import ModelVersion
from training.data import labelled
from training.drawing import BLUE, DPI, GRAY, GREEN, ORANGE
from training.evaluation import calibrate
from training.evaluation.answers import infer
from training.evaluation.measured import Curve, Curves, Explanations, Interval, Randomisation
from training.fit.lungs import VARIABLES

Floats = npt.NDArray[np.float64]
Pixels = npt.NDArray[np.uint8]
# Pixels `[M, 224, 224, 1]` to the log-odds `[M]` of an answer.
Ask = Callable[[Pixels], Floats]

IMAGES = 48
MAPS = {
    "grad_cam": "Grad-CAM",
    "random": "Grad-CAM, misplaced",
    "lungs": "The lungs alone",
    "occlusion": "Occlusion",
}
KINDS = ("deletion", "insertion")
FILE_NAME = "explanations.png"

_SEED = 0
_RESAMPLES = 2_000
_STEPS = 10
_GRID = 7
_LUNG = 0.5
_PATCH = MODEL_SIDE // _GRID
_IMAGES_PER_DRAW = 8
_COLOURS = {"grad_cam": BLUE, "random": GRAY, "lungs": GREEN, "occlusion": ORANGE}
# Of a map's places, to correlate maps by: a field's own are coarser.
_EVERY = 4


def check(
    version: ModelVersion, engine: Engine, images: labelled.Images, n: int = IMAGES
) -> Explanations:
    """Check the explanations of a model, some 140 answers of `engine` and 8 of TensorFlow an image.

    Args:
        version: the model.
        engine: `version`, loaded.
        images: held out; of each label `n // 2`, but at least one, each of another patient, are
            drawn, seeded.
        n: how many images at most.

    Returns:
        With 95 % percentile intervals of a bootstrap over the images.

    Raises:
        DataError: the model gives the same answer to all of the images.
    """
    chosen = _choose(images, n)
    curves = _curves(version, engine, chosen.pixels)
    deletion, insertion = (
        Curves(_summary(kind, curves[:, at]), _summary(kind, expit(curves[:, at])))
        for at, kind in enumerate(KINDS)
    )
    return Explanations(
        n=len(chosen),
        seed=_SEED,
        shares=np.linspace(0, 1, _STEPS + 1).tolist(),
        deletion=deletion,
        insertion=insertion,
        randomisation=randomisation(version, chosen.pixels),
    )


def randomisation(version: ModelVersion, pixels: Pixels) -> Randomisation:
    """Correlate maps before and after kernels are randomised, from the head's down to the stem's.

    Those of the finder of lungs stay as they are.

    A kernel is randomised by shuffling it: its mean and deviation stay, and so does its fit into
    float16. Biases and batch normalisation, under 1 % of the weights, are kept: without its
    statistics, what fifty layers compute would overflow or vanish. Every eight images get another
    shuffle, so that no single one decides.

    The correlation is Spearman's over the lungs, and of it the absolute value: a random head
    turns the sign of all maps at random, and a map turned round would still be the same picture.
    So chance is not 0; `another_image` is what maps of different images correlate by, where both
    have lungs.

    Args:
        version: a model whose kernels, and nothing else, are float16, as `served` writes them.
        pixels: uint8 `[N, 224, 224, 1]`, N at least 2.
    """
    # The signature holds its variables weakly: they live as long as the model does.
    model = tf.saved_model.load(str(version.path))
    serve = model.signatures["serving_default"]
    # The signature lists them in the order in which the network computes.
    kernels = [v for v in serve.variables if v.dtype == tf.float16 and VARIABLES not in v.name]
    counts = [0, *(2**power for power in range(len(kernels)) if 2**power < len(kernels))]
    counts.append(len(kernels))
    random = np.random.default_rng(_SEED)
    batches = np.split(pixels, range(_IMAGES_PER_DRAW, len(pixels), _IMAGES_PER_DRAW))
    parts = [_randomised(serve, kernels, counts, batch, random) for batch in batches]
    maps = np.concatenate(parts, axis=1)
    inside = np.concatenate([_inside(serve, batch) for batch in batches])
    found = [np.abs(_correlations(maps[0], changed, inside)) for changed in maps]
    others = []
    for by in range(1, len(pixels)):
        rolled, both = (np.roll(part, by, axis=0) for part in (maps[0], inside))
        others.append(np.abs(_correlations(maps[0], rolled, inside & both)))
    return Randomisation(
        layers=len(kernels),
        randomised=counts,
        correlation=[float(values.mean()) for values in found],
        intervals=[_interval(values) for values in found],
        another_image=float(np.mean(others)),
    )


def figure(checks: Explanations) -> Figure:
    """Deletion, insertion and randomisation, beside each other."""
    drawn = Figure(figsize=(15, 5.2), dpi=DPI, layout="constrained")
    drawn.suptitle(f"Does Grad-CAM explain the model? {checks.n} held-out images")
    deletion, insertion, randomised = drawn.subplots(1, 3)
    for axes, curves in ((deletion, checks.deletion), (insertion, checks.insertion)):
        for name, found in curves.log_odds.items():
            low, high = found.area_interval
            label = f"{MAPS[name]}: {found.area:.2f} ({low:.2f} to {high:.2f})"
            axes.plot(checks.shares, found.curve, color=_COLOURS[name], lw=2, label=label)
        axes.set(xlim=(0, 1), ylabel="Log-odds of the model's answer, mean")
        axes.legend(title="Area under the curve (95 % interval)", frameon=False)
    deletion.set(title="Deletion: lower is better", xlabel="Share of pixels taken away")
    insertion.set(title="Insertion: higher is better", xlabel="Share of pixels put in")
    _draw_randomisation(randomised, checks.randomisation)
    for axes in (deletion, insertion, randomised):
        axes.spines[["top", "right"]].set_visible(False)
        axes.margins(y=0.25)
    return drawn


def _draw_randomisation(axes: Axes, found: Randomisation) -> None:
    mean, places = np.array(found.correlation), np.arange(len(found.randomised))
    bars = np.abs(np.array(found.intervals).T - mean)
    style: dict[str, Any] = {"fmt": "o-", "color": _COLOURS["grad_cam"], "lw": 2, "capsize": 3}
    axes.errorbar(places, mean, yerr=bars, label="Same image, 95 % interval", **style)
    chance = f"Another image: {found.another_image:.2f}"
    axes.axhline(found.another_image, color=_COLOURS["random"], lw=1, ls="--", label=chance)
    axes.set_xticks(places, [str(count) for count in found.randomised])
    axes.set(
        title="Randomised weights: lower is better",
        xlabel=f"Layers randomised, from the head, of {found.layers}",
        ylabel="|Spearman correlation| with the map",
        ylim=(0, 1.05),
    )
    axes.legend(frameon=False)


def _choose(images: labelled.Images, n: int) -> labelled.Images:
    """Of each label `n // 2` images of different patients, or as many as there are."""
    of_each = max(1, n // 2)
    order = np.random.default_rng(_SEED).permutation(len(images))
    _, first = np.unique(np.array(images.patients)[order], return_index=True)
    firsts = order[np.sort(first)]
    labels = images.labels[firsts]
    chosen = np.concatenate([firsts[labels == label][:of_each] for label in (0, 1)])
    return labelled.Images([images.samples[at] for at in chosen], images.pixels[chosen])


def _curves(version: ModelVersion, engine: Engine, pixels: Pixels) -> Floats:
    """The log-odds of the model's answers, `[N, kinds, maps, steps + 1]`."""
    calibration = version.manifest.calibration

    def ask(asked: Pixels) -> Floats:
        logits = infer(engine, asked).logit.astype(np.float64)
        return calibrate.log_odds(logits, calibration.scaling)

    called = expit(ask(pixels)) >= calibration.operating_point.threshold
    if called.all() or not called.any():
        raise labelled.DataError("To check explanations takes images of both answers of the model.")
    random = np.random.default_rng(_SEED)
    curves = []
    for image, answer in zip(pixels, called, strict=True):
        donor = pixels[random.choice(np.flatnonzero(called != answer))]
        sign = 1 if answer else -1
        found = engine.infer(image[np.newaxis])
        evidence = sign * found.cam[0]
        misplaced = _misplaced(evidence, random)
        maps = evidence, misplaced, found.lungs[0], sign * _occlusion(image, donor, ask)
        curves.append(sign * np.stack([_follow(grid, image, donor, ask) for grid in maps], axis=1))
    return np.stack(curves)


def _misplaced(grid: npt.NDArray[Any], random: np.random.Generator) -> npt.NDArray[Any]:
    """The map `[h, w]` rolled by patches to anywhere but its own place."""
    patches = divmod(int(random.integers(1, _GRID**2)), _GRID)
    shift = [patch * side // _GRID for patch, side in zip(patches, grid.shape, strict=True)]
    return np.roll(grid, shift, axis=(0, 1))


def _occlusion(image: Pixels, donor: Pixels, ask: Ask) -> Floats:
    """How far the log-odds fall when a patch is the donor's, `[7, 7]`."""
    asked = np.repeat(image[np.newaxis], 1 + _GRID**2, axis=0)
    for at, changed in enumerate(asked[1:]):
        row, column = (_PATCH * place for place in divmod(at, _GRID))
        patch = slice(row, row + _PATCH), slice(column, column + _PATCH)
        changed[patch] = donor[patch]
    whole, *occluded = ask(asked)
    return (whole - np.array(occluded)).reshape(_GRID, _GRID)


def _follow(grid: npt.NDArray[Any], image: Pixels, donor: Pixels, ask: Ask) -> Floats:
    """The log-odds along the deletion and the insertion that a map orders, `[2, steps + 1]`."""
    size = MODEL_SIDE, MODEL_SIDE  # Enlarged as `overlay` does.
    evidence = cv2.resize(grid.astype(np.float32), size, interpolation=cv2.INTER_CUBIC)
    rank = np.empty(evidence.size)
    rank[np.argsort(-evidence, axis=None, kind="stable")] = np.arange(evidence.size)
    reached = rank / evidence.size < np.linspace(0, 1, _STEPS + 1)[:, np.newaxis]
    reached = reached.reshape(-1, MODEL_SIDE, MODEL_SIDE, 1)
    asked = np.concatenate([np.where(reached, donor, image), np.where(reached, image, donor)])
    return ask(asked).reshape(2, -1)


def _summary(kind: str, curves: Floats) -> dict[str, Curve]:
    """What `check` tells of curves `[N, maps, steps + 1]`, by map."""
    areas = np.asarray(np.trapezoid(curves, dx=1 / _STEPS, axis=-1))
    by_map = dict(zip(MAPS, areas.T, strict=True))
    better = -1 if kind == "deletion" else 1
    gains = {name: better * (area - by_map["random"]) for name, area in by_map.items()}
    return {
        name: Curve(
            curve=curves[:, at].mean(axis=0).tolist(),
            area=float(by_map[name].mean()),
            area_interval=_interval(by_map[name]),
            gain=float(gains[name].mean()),
            gain_interval=_interval(gains[name]),
            wins=float((gains[name] > 0).mean()),
        )
        for at, name in enumerate(MAPS)
    }


def _interval(values: Floats) -> Interval:
    """The 95 % interval of the mean of `[N]`; images are of different patients."""
    random = np.random.default_rng(_SEED)
    drawn = random.integers(0, len(values), (_RESAMPLES, len(values)))
    return np.percentile(values[drawn].mean(axis=1), (2.5, 97.5)).tolist()


def _randomised(
    serve: Any,
    kernels: list[tf.Variable],
    counts: list[int],
    pixels: Pixels,
    random: np.random.Generator,
) -> npt.NDArray[np.float32]:
    """Maps `[counts, N, h / 4, w / 4]` with so many kernels shuffled, counted from the last one."""
    originals = [kernel.numpy() for kernel in kernels]
    maps = []
    for before, count in zip([0, *counts], counts, strict=False):
        for at in range(before + 1, count + 1):
            shuffled = random.permutation(originals[-at].ravel())
            kernels[-at].assign(shuffled.reshape(originals[-at].shape))
        maps.append(serve(image=tf.constant(pixels))["cam"].numpy()[:, ::_EVERY, ::_EVERY])
    for kernel, original in zip(kernels, originals, strict=True):
        kernel.assign(original)
    return np.stack(maps)


def _inside(serve: Any, pixels: Pixels) -> npt.NDArray[np.bool_]:
    """Where the lungs are, `[N, h / 4, w / 4]`."""
    found = serve(image=tf.constant(pixels))["lungs"].numpy()[:, ::_EVERY, ::_EVERY]
    return np.asarray(found >= _LUNG)


def _correlations(
    some: npt.NDArray[np.float32],
    others: npt.NDArray[np.float32],
    inside: npt.NDArray[np.bool_],
) -> Floats:
    """Spearman's correlation of each two maps of `[N, h, w]`, over some of their places: `[N]`.

    0 where a map is flat.
    """
    found = []
    for one, other, where in zip(some, others, inside, strict=True):
        ranks = [rankdata(grid[where]) for grid in (one, other)]
        one_off, other_off = (values - values.mean() if values.size else values for values in ranks)
        size = np.sqrt((one_off**2).sum() * (other_off**2).sum())
        found.append(float((one_off * other_off).sum() / size) if size > 0 else 0.0)
    return np.array(found)
