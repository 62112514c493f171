"""The SavedModel: its signature, and that its answers are those of the trained network."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import tensorflow as tf
from scipy.special import expit

from model_store.store import ModelVersion
from training import data, model
from training.novelty import fit_density, roots

Parts = dict[str, data.Images]
Outputs = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def signature(tiny_model: ModelVersion) -> Callable[..., Any]:
    loaded = tf.saved_model.load(str(tiny_model.path))
    signature = loaded.signatures["serving_default"]
    signature.owner = loaded  # the variables live as long as it does
    return signature


@pytest.fixture(scope="module")
def chests(parts: Parts) -> npt.NDArray[np.uint8]:
    return parts[data.CALIBRATION].pixels[:8]


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
        "novelty": (tf.float32, (None,), 1),
    }


@pytest.mark.parametrize("count", [1, 3])
def test_any_number_of_images_is_answered(
    count: int, signature: Any, chests: npt.NDArray[np.uint8], outputs: Outputs
) -> None:
    for name, answer in signature(image=tf.constant(chests[:count])).items():
        np.testing.assert_allclose(answer, outputs[name][:count], rtol=1e-4, atol=1e-4)


def test_the_logit_is_that_of_the_trained_network(
    network: model.Network, chests: npt.NDArray[np.uint8], outputs: Outputs
) -> None:
    trained = network.head(network.backbone(chests.astype(np.float32)))
    np.testing.assert_allclose(outputs["logit"], trained, atol=0.02)


def test_the_probability_is_the_calibrated_logit(
    tiny_model: ModelVersion, outputs: Outputs
) -> None:
    scaling = tiny_model.manifest.calibration.scaling
    np.testing.assert_allclose(
        outputs["probability"],
        expit(outputs["logit"] / scaling.temperature + scaling.bias),
        atol=1e-5,
    )


def test_the_cam_is_grad_cam_of_the_logit(
    network: model.Network, chests: npt.NDArray[np.uint8], outputs: Outputs
) -> None:
    with tf.GradientTape() as tape:
        activation = network.backbone(chests.astype(np.float32))
        tape.watch(activation)
        logit = network.head(activation)
    weights = tape.gradient(logit, activation).numpy().mean((1, 2))
    cam = np.einsum("nc,nhwc->nhw", weights, activation.numpy())
    assert outputs["cam"].shape == cam.shape
    np.testing.assert_allclose(outputs["cam"], cam, atol=0.01 * np.abs(cam).max())


def test_the_novelty_is_the_mahalanobis_distance_of_the_roots_per_channel(
    network: model.Network, parts: Parts, chests: npt.NDArray[np.uint8], outputs: Outputs
) -> None:
    def pooled(pixels: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        features: npt.NDArray[np.float32] = network.backbone(pixels.astype(np.float32)).numpy()
        return features.mean((1, 2))

    density = fit_density(pooled(parts[data.TRAIN].pixels))
    centred = roots(pooled(chests)).astype(np.float64) - density.mean
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
    tiny_model: ModelVersion, network: model.Network
) -> None:
    reader = tf.train.load_checkpoint(str(tiny_model.path / "variables" / "variables"))
    stored = sorted(
        (tuple(shape), reader.get_variable_to_dtype_map()[key].name)
        for key, shape in reader.get_variable_to_shape_map().items()
        if reader.get_variable_to_dtype_map()[key].is_floating
    )
    expected = [
        (tuple(v.shape), "float16" if v.name == "kernel" else "float32")
        for part in (network.backbone, network.head)
        for v in part.weights
    ]
    density = [((16, 15), "float32"), ((16,), "float32"), ((15,), "float32")]
    assert stored == sorted(expected + density)
