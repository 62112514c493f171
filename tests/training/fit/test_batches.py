from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest

from training.data import labelled
from training.fit.batches import Batches, TrainingBatches

WEIGHTS = np.linspace(0, 0.9, 10, dtype=np.float32)

Epoch = tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]


def images_of(pixels: npt.NDArray[np.uint8]) -> labelled.Images:
    """Of which the first three show pneumonia."""
    samples = [labelled.Sample(Path(f"{i}.png"), int(i < 3), str(i)) for i in range(len(pixels))]
    return labelled.Images(samples, pixels)


@pytest.fixture
def grays() -> labelled.Images:
    """Ten images, each of one gray: 20 times its place."""
    places = np.arange(10, dtype=np.uint8)
    return images_of(np.tile(20 * places[:, None, None, None], (1, 16, 16, 1)))


@pytest.fixture
def noise() -> labelled.Images:
    """The same noise 300 times: no JPEG keeps its pixels."""
    image = np.random.default_rng(0).integers(0, 256, (1, 16, 16, 1), np.uint8)
    return images_of(np.repeat(image, 300, axis=0))


def lungs_of(images: labelled.Images) -> npt.NDArray[np.uint8]:
    """A map for each image, of one gray: its place."""
    places = np.arange(len(images)) % 256
    return np.tile(places.astype(np.uint8)[:, None, None, None], (1, 8, 8, 1))


def epoch(batches: Batches) -> Epoch:
    """All that an epoch gives, joined: pixels, labels, weights and the lungs' grays."""
    parts = [batches[i] for i in range(len(batches))]
    batches.on_epoch_end()
    assert all(labels.shape == (len(weights), 1) for _, labels, weights in parts)
    pixels = np.concatenate([shown[0] for shown, _, _ in parts])
    lungs = np.concatenate([shown[1] for shown, _, _ in parts])
    labels = np.concatenate([labels.ravel() for _, labels, _ in parts])
    weights = np.concatenate([weights for _, _, weights in parts])
    return pixels, labels, weights, lungs[:, 0, 0, 0]


def of_noise(noise: labelled.Images, seed: int) -> TrainingBatches:
    return TrainingBatches(noise, lungs_of(noise), 32, np.ones(len(noise), np.float32), seed)


def test_plain_batches_keep_the_order_and_the_pixels_every_epoch(grays: labelled.Images) -> None:
    batches = Batches(grays, lungs_of(grays), 4, WEIGHTS)
    for _ in range(2):
        pixels, labels, weights, lungs = epoch(batches)
        np.testing.assert_array_equal(lungs, np.arange(10))
        np.testing.assert_array_equal(pixels, grays.pixels)
        np.testing.assert_array_equal(labels, grays.labels)
        np.testing.assert_array_equal(weights, WEIGHTS)


@pytest.mark.parametrize(("size", "sizes"), [(4, [4, 4, 2]), (5, [5, 5]), (16, [10])])
def test_the_last_batch_holds_what_is_left(
    size: int, sizes: list[int], grays: labelled.Images
) -> None:
    batches = Batches(grays, lungs_of(grays), size, WEIGHTS)
    assert [len(batches[i][2]) for i in range(len(batches))] == sizes


def test_labels_weights_and_lungs_go_with_their_images_in_another_order_each_epoch(
    grays: labelled.Images,
) -> None:
    batches = TrainingBatches(grays, lungs_of(grays), 4, WEIGHTS, seed=0)
    orders = []
    for _ in range(2):
        pixels, labels, weights, lungs = epoch(batches)
        order = np.rint(weights * 10).astype(int)
        # JPEG of quality 20 counts the mean of a block in steps of 5.
        means = pixels.mean((1, 2, 3))
        np.testing.assert_allclose(means, 20 * order, atol=3)
        np.testing.assert_array_equal(labels, order < 3)
        np.testing.assert_array_equal(lungs, order)
        orders.append(order.tolist())
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(10))
    assert list(range(10)) != orders[0] != orders[1]


def test_seven_of_ten_images_are_compressed_and_keep_their_shape(noise: labelled.Images) -> None:
    pixels, *_ = epoch(of_noise(noise, 0))
    assert pixels.shape == noise.pixels.shape
    assert pixels.dtype == np.uint8
    changed = (pixels != noise.pixels).any((1, 2, 3))
    assert changed.mean() == pytest.approx(0.7, abs=0.08)


def test_a_compressed_image_is_a_jpeg_of_quality_12_to_95(noise: labelled.Images) -> None:
    pixels, *_ = epoch(of_noise(noise, 0))
    possible = {noise.pixels[0].tobytes()}
    for quality in range(12, 96):
        _, stored = cv2.imencode(".jpg", noise.pixels[0], (cv2.IMWRITE_JPEG_QUALITY, quality))
        possible.add(np.asarray(cv2.imdecode(stored, cv2.IMREAD_GRAYSCALE)).tobytes())
    found = {image.tobytes() for image in pixels}
    assert found <= possible
    assert len(found) > 30


def test_images_are_compressed_afresh_each_epoch(noise: labelled.Images) -> None:
    batches = of_noise(noise, 0)
    assert not np.array_equal(epoch(batches)[0], epoch(batches)[0])


def test_the_images_themselves_are_left_as_they_are(noise: labelled.Images) -> None:
    before = noise.pixels.copy()
    epoch(of_noise(noise, 0))
    np.testing.assert_array_equal(noise.pixels, before)


def test_order_and_compression_follow_from_the_seed(
    grays: labelled.Images, noise: labelled.Images
) -> None:
    def each(seed: int) -> TrainingBatches:
        return TrainingBatches(grays, lungs_of(grays), 4, WEIGHTS, seed)

    orders = [epoch(each(seed))[2].tolist() for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    first, again, other = (epoch(of_noise(noise, seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
