from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt
import pytest

from training.fit import model
from training.fit.model import WeightsError

Arrays = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def mobile() -> model.Network:
    return model.build("MobileNetV2", model.NO_WEIGHTS, seed=3)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    """A backbone `Toy` in `keras.applications`: conv1, norm1, conv2, norm2."""

    def build(include_top: bool, weights: str | None, input_shape: tuple[int, ...]) -> keras.Model:
        assert not include_top
        if weights is not None:
            raise ValueError("no such weights")
        tensor = image = keras.Input(input_shape)
        for index in (1, 2):
            tensor = keras.layers.Conv2D(4, 8, strides=8, name=f"conv{index}")(tensor)
            tensor = keras.layers.BatchNormalization(name=f"norm{index}")(tensor)
        return keras.Model(image, tensor)

    monkeypatch.setattr(keras.applications.mobilenet_v2, "Toy", build, raising=False)


@pytest.fixture
def arrays() -> Arrays:
    """Weights of the toy's first convolution and its normalisation."""
    random = np.random.default_rng(0)
    shapes = {"conv1/kernel": (8, 8, 3, 4), "conv1/bias": (4,)} | {
        f"norm1/{name}": (4,) for name in ("gamma", "beta", "moving_mean", "moving_variance")
    }
    return {key: random.random(shape).astype(np.float32) for key, shape in shapes.items()}


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[Arrays], str]:
    def save(arrays: Arrays) -> str:
        np.savez(tmp_path / "weights.npz", **arrays)  # type: ignore[arg-type]
        return str(tmp_path / "weights.npz")

    return save


def trunk(network: model.Network) -> keras.Model:
    return next(la for la in network.backbone.layers if isinstance(la, keras.Model))


@pytest.mark.usefixtures("toy")
def test_an_npz_of_some_layers_loads_those(arrays: Arrays, saved: Callable[[Arrays], str]) -> None:
    network = model.build("Toy", saved(arrays))
    assert [layer.name for layer in network.pretrained] == ["conv1", "norm1"]
    for key, value in arrays.items():
        layer, weight = key.split("/")
        found = next(w for w in trunk(network).get_layer(layer).weights if w.name == weight)
        np.testing.assert_array_equal(keras.ops.convert_to_numpy(found), value)


@pytest.mark.usefixtures("toy")
def test_an_npz_with_some_weights_of_a_layer_is_refused(
    arrays: Arrays, saved: Callable[[Arrays], str]
) -> None:
    del arrays["norm1/moving_mean"]
    with pytest.raises(WeightsError, match="only some of the weights of norm1"):
        model.build("Toy", saved(arrays))


@pytest.mark.usefixtures("toy")
def test_an_npz_of_another_shape_is_refused(arrays: Arrays, saved: Callable[[Arrays], str]) -> None:
    arrays["conv1/bias"] = np.zeros(5, np.float32)
    with pytest.raises(WeightsError, match="does not fit conv1"):
        model.build("Toy", saved(arrays))


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("unknown", ["conv9/kernel", "conv1/scale"])
def test_an_npz_with_an_unknown_layer_or_weight_is_refused(
    unknown: str, arrays: Arrays, saved: Callable[[Arrays], str]
) -> None:
    with pytest.raises(WeightsError, match=unknown):
        model.build("Toy", saved(arrays | {unknown: np.zeros(1, np.float32)}))


@pytest.mark.usefixtures("toy")
def test_an_empty_npz_is_refused(saved: Callable[[Arrays], str]) -> None:
    with pytest.raises(WeightsError, match="has no weights"):
        model.build("Toy", saved({}))


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("content", [None, b"", b"text", b"PK\x03\x04broken"])
def test_a_missing_or_broken_npz_is_refused(content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(WeightsError, match=r"weights\.npz is not a readable"):
        model.build("Toy", str(path))


@pytest.mark.usefixtures("toy")
def test_weights_that_keras_refuses_are_told_with_its_reason() -> None:
    with pytest.raises(WeightsError, match=r"Toy with weights 'other\.h5': no such weights"):
        model.build("Toy", "other.h5")


def test_a_failed_download_is_told_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> keras.Model:
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.applications.mobilenet_v2, "MobileNetV2", fail)
    with pytest.raises(WeightsError, match="MobileNetV2 with weights 'imagenet': URL fetch"):
        model.build("MobileNetV2", "imagenet")


@pytest.mark.parametrize("name", ["ResNet51", "", "preprocess", "keras"])
def test_an_unknown_backbone_is_refused(name: str) -> None:
    with pytest.raises(WeightsError, match="no backbone"):
        model.build(name, model.NO_WEIGHTS)


@pytest.mark.usefixtures("toy")
def test_what_came_with_weights_is_frozen_and_everything_is_trained_afterwards(
    arrays: Arrays, saved: Callable[[Arrays], str]
) -> None:
    network = model.build("Toy", saved(arrays))

    def trained() -> set[str]:
        return {weight.path for weight in network.classifier.trainable_weights}

    first = {"conv1/kernel", "conv1/bias", "norm1/gamma", "norm1/beta"}
    second = {name.replace("1", "2") for name in first}
    network.freeze_pretrained(True)
    assert trained() == second | {"dense/kernel", "dense/bias"}
    network.freeze_pretrained(False)
    assert trained() == first | second | {"dense/kernel", "dense/bias"}


def test_without_weights_nothing_is_frozen(mobile: model.Network) -> None:
    before = len(mobile.classifier.trainable_weights)
    mobile.freeze_pretrained(True)
    assert mobile.pretrained == []
    assert len(mobile.classifier.trainable_weights) == before


def test_batch_normalisation_follows_a_small_set(mobile: model.Network) -> None:
    momenta = {
        layer.momentum
        for layer in trunk(mobile).layers
        if isinstance(layer, keras.layers.BatchNormalization)
    }
    assert momenta == {0.9}


def chests() -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Two images, and two lungs in each of them, in 255ths."""
    image = np.random.default_rng(0).uniform(0, 255, (2, 224, 224, 1)).astype(np.float32)
    marked = np.zeros((2, 112, 112, 1), np.float32)
    marked[:, 30:90, 20:50] = marked[:, 30:90, 62:92] = 255
    return image, marked


def test_the_models_are_one_network_of_the_stated_shapes(mobile: model.Network) -> None:
    assert mobile.backbone.input_shape == (None, 224, 224, 2)
    # The last maps of a sixteenth of the side; what comes after them is left out.
    assert mobile.backbone.output_shape == (None, 14, 14, 576)
    assert mobile.head.input_shape == (None, 576)
    assert mobile.head.output_shape == mobile.classifier.output_shape == (None,)
    image, marked = chests()
    shown, cells, _ = mobile.view(image, marked / 255)
    logit = mobile.head(mobile.pooling(mobile.backbone(shown), cells))
    given = mobile.classifier([image, marked], training=False)
    np.testing.assert_allclose(given, logit, atol=1e-5)


def test_the_backbone_sees_both_looks_and_their_mean_normalised_as_its_own(
    mobile: model.Network,
) -> None:
    looks = np.random.default_rng(0).uniform(0, 255, (1, 224, 224, 2)).astype(np.float32)
    rgb = np.concatenate([looks, looks.mean(-1, keepdims=True)], -1)
    normalised = keras.applications.mobilenet_v2.preprocess_input(rgb.copy())
    np.testing.assert_allclose(mobile.backbone(looks), trunk(mobile)(normalised), atol=1e-5)


@pytest.mark.usefixtures("toy")
def test_a_smaller_field_has_the_same_weights() -> None:
    large, small = (model.build("Toy", model.NO_WEIGHTS, side=side) for side in (224, 128))
    assert small.view.side == small.backbone.input_shape[1] == 128
    small.classifier.set_weights(large.classifier.get_weights())
    assert np.isfinite(small.classifier([*chests()], training=False)).all()


@pytest.mark.usefixtures("toy")
def test_the_box_is_moved_in_training_only_where_images_are_augmented() -> None:
    assert model.build("Toy", model.NO_WEIGHTS).view.jitter > 0
    parts = model.pretrained("Toy", model.NO_WEIGHTS)
    assert model.assemble(*parts, dropout=0.0, seed=0).view.jitter == 0


@pytest.mark.usefixtures("toy")
def test_the_initialisers_follow_from_the_seed() -> None:
    first, again, other = (
        model.build("Toy", model.NO_WEIGHTS, seed=seed).classifier.get_weights()
        for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not all(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.usefixtures("toy")
def test_precision_is_of_the_computation_and_not_of_the_weights() -> None:
    network = model.build("Toy", model.NO_WEIGHTS, precision="mixed_bfloat16")
    assert trunk(network).get_layer("conv1").compute_dtype == "bfloat16"
    assert {str(weight.dtype) for weight in network.backbone.weights} == {"float32"}
    assert network.head.outputs[0].dtype == "float32"


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("weights", [model.NO_WEIGHTS, "refused.h5"])
def test_the_global_precision_is_restored(weights: str) -> None:
    try:
        model.build("Toy", weights, precision="mixed_bfloat16")
    except WeightsError:
        assert weights == "refused.h5"
    assert keras.config.dtype_policy().name == "float32"
