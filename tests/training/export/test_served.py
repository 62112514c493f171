"""The SavedModel: its signature, and that its answers are those of the trained network."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from scipy.special import expit

from model_store.store import ModelVersion
from training.data import labelled
from training.evaluation import calibrate
from training.export import release, served
from training.export.novelty import fit_density, roots
from training.fit import field, lungs
from training.fit.lungs import VARIABLES

Parts = dict[str, labelled.Images]
Outputs = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def signature(tiny_model: ModelVersion) -> Callable[..., Any]:
    loaded = tf.saved_model.load(str(tiny_model.path))
    signature = loaded.signatures["serving_default"]
    signature.owner = loaded  # the variables live as long as it does
    return signature


@pytest.fixture(scope="module")
def chests(parts: Parts) -> npt.NDArray[np.uint8]:
    return parts[labelled.CALIBRATION].pixels[:8]


@pytest.fixture(scope="module")
def outputs(signature: Callable[..., Any], chests: npt.NDArray[np.uint8]) -> Outputs:
    answers = signature(image=tf.constant(chests))
    return {name: tensor.numpy() for name, tensor in answers.items()}


def test_the_signature_is_the_contract(signature: Any) -> None:
    _, inputs = signature.structured_input_signature
    assert inputs == {"image": tf.TensorSpec((None, 224, 224, 1), tf.uint8, "image")}
    given = {
        name: (spec.dtype, tuple(spec.shape)[:1], spec.shape.rank)
        for name, spec in signature.structured_outputs.items()
    }
    assert given == {
        "logit": (tf.float32, (None,), 1),
        "probability": (tf.float32, (None,), 1),
        "cam": (tf.float32, (None,), 3),
        "lungs": (tf.float32, (None,), 3),
        "field": (tf.float32, (None,), 2),
        "novelty": (tf.float32, (None,), 1),
    }


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_images_is_answered(
    count: int, signature: Any, chests: npt.NDArray[np.uint8], outputs: Outputs
) -> None:
    for name, answer in signature(image=tf.constant(chests[:count])).items():
        np.testing.assert_allclose(answer, outputs[name][:count], rtol=1e-4, atol=1e-4)


def test_the_logit_is_that_of_the_trained_network(
    trained: release.Trained, chests: npt.NDArray[np.uint8], outputs: Outputs
) -> None:
    marked = lungs.mark(trained.finder, chests)
    logit = trained.network.classifier.predict((chests, marked), verbose=0)
    # The finder's answers reach the classifier in 255ths.
    np.testing.assert_allclose(outputs["logit"], logit, atol=0.05)


def test_the_lungs_are_those_that_the_finder_marks(
    trained: release.Trained, chests: npt.NDArray[np.uint8], outputs: Outputs
) -> None:
    marked = lungs.mark(trained.finder, chests)[..., 0] / 255
    assert outputs["lungs"].max() > 0.9
    np.testing.assert_allclose(outputs["lungs"], marked, atol=3 / 255)
    boxes = keras.ops.convert_to_numpy(field.box(outputs["lungs"]))
    np.testing.assert_allclose(outputs["field"], boxes, atol=1e-3)


def test_the_probability_is_the_calibrated_logit(
    tiny_model: ModelVersion, outputs: Outputs
) -> None:
    scaling = tiny_model.manifest.calibration.scaling
    np.testing.assert_allclose(
        outputs["probability"],
        expit(outputs["logit"] / scaling.temperature + scaling.bias),
        atol=1e-5,
    )


def log_odds(tiny_model: ModelVersion, outputs: Outputs) -> npt.NDArray[np.float64]:
    logits = outputs["logit"].astype(np.float64)
    return calibrate.log_odds(logits, tiny_model.manifest.calibration.scaling)


def test_the_mean_of_the_map_over_the_lungs_is_the_calibrated_log_odds(
    tiny_model: ModelVersion, outputs: Outputs
) -> None:
    """The map is weighted with P(lung) once already."""
    mean = outputs["cam"].sum((1, 2)) / outputs["lungs"].sum((1, 2))
    np.testing.assert_allclose(mean, log_odds(tiny_model, outputs), rtol=0.01, atol=0.02)


def test_the_map_is_nothing_where_there_is_no_lung(outputs: Outputs) -> None:
    assert np.abs(outputs["cam"][outputs["lungs"] < 1e-3]).max() < 0.01
    assert np.abs(outputs["cam"]).max() > 0.1


def test_the_map_is_grad_cam_of_the_log_odds_laid_back_into_the_image(
    tiny_model: ModelVersion,
    trained: release.Trained,
    chests: npt.NDArray[np.uint8],
    outputs: Outputs,
) -> None:
    network = trained.network
    marked = outputs["lungs"][..., np.newaxis]
    shown, cells, boxes = network.view(chests.astype(np.float32), marked)
    features = network.backbone(shown)
    pooled = network.pooling(features, cells)
    with tf.GradientTape() as tape:
        tape.watch(pooled)
        logit = network.head(pooled)
    weights = tape.gradient(logit, pooled).numpy()
    evidence = np.einsum("nc,nhwc->nhw", weights, features.numpy())
    # A head without a hidden layer adds nothing but its bias.
    bias = network.head.get_layer("dense").bias.numpy()
    scaling = tiny_model.manifest.calibration.scaling
    told = (evidence + bias) / scaling.temperature + scaling.bias
    laid = keras.ops.convert_to_numpy(field.uncrop(told.astype(np.float32), boxes, 112))
    expected = laid * outputs["lungs"]
    assert outputs["cam"].shape == (8, 112, 112)
    np.testing.assert_allclose(outputs["cam"], expected, atol=0.02 * np.abs(expected).max())


def test_the_novelty_is_the_mahalanobis_distance_of_the_roots_per_channel(
    trained: release.Trained, parts: Parts, outputs: Outputs
) -> None:
    density = fit_density(
        release._pooled(trained, parts[labelled.TRAIN].pixels[:: release._DENSITY_STEP])
    )
    pooled = release._pooled(trained, parts[labelled.CALIBRATION].pixels)[:8]
    centred = roots(pooled).astype(np.float64) - density.mean
    along = centred @ density.components
    beside = centred - along @ density.components.T
    squared = (along**2 / density.variances).sum(1) + (beside**2).sum(1) / density.noise
    np.testing.assert_allclose(outputs["novelty"], np.sqrt(squared / centred.shape[1]), rtol=0.05)


def test_noise_is_more_novel_than_any_drawn_chest(
    signature: Any, tiny_model: ModelVersion, outputs: Outputs
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 224, 224, 1), np.uint8)
    novelty = signature(image=tf.constant(noise))["novelty"].numpy()
    assert novelty.min() > outputs["novelty"].max()
    assert novelty.min() > tiny_model.manifest.calibration.novelty_limit


def test_kernels_are_stored_in_float16_and_the_rest_in_float32(
    tiny_model: ModelVersion, trained: release.Trained
) -> None:
    reader = tf.train.load_checkpoint(str(tiny_model.path / "variables" / "variables"))
    stored = sorted(
        (tuple(shape), reader.get_variable_to_dtype_map()[key].name)
        for key, shape in reader.get_variable_to_shape_map().items()
        if reader.get_variable_to_dtype_map()[key].is_floating
    )
    expected = [
        (tuple(v.shape), "float16" if v.name == "kernel" else "float32")
        for part in (trained.finder, trained.network.backbone, trained.network.head)
        for v in part.weights
    ]
    density = [((16, 15), "float32"), ((16,), "float32"), ((15,), "float32")]
    assert stored == sorted(expected + density)


def test_each_variable_tells_which_part_it_is_of(signature: Any) -> None:
    names = {variable.name.split(":")[0] for variable in signature.variables}
    assert names == {"backbone", "head", "density"}
    # The tiny finder has no variables; that of a real one are told by their name.
    stored = served._stored(keras.Variable(np.zeros(2), name="bias"), VARIABLES)
    assert stored.name == f"{VARIABLES}:0"
