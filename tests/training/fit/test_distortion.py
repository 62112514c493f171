"""Images and their lungs, distorted alike."""

import numpy as np
import pytest

from tests import synthetic
from training.fit import distortion
from training.fit.distortion import Floats, Gray, Masked, MaskedBatches

DRAWS = 40


def bright_lungs() -> tuple[Gray, Floats]:
    """An image whose lungs are the only bright thing, and where they are."""
    image = np.full((224, 224), 60, np.uint8)
    image[60:170, 40:95] = image[60:170, 125:180] = 190
    mask = (image[::2, ::2] > 100).astype(np.float32)
    return image, mask


def images(count: int) -> Masked:
    """Drawn chests, each with a mask of its own gray."""
    pixels = np.stack([synthetic.chest(i, size=(224, 224)) for i in range(count)])[..., np.newaxis]
    levels = np.linspace(0, 1, count, dtype=np.float32)[:, None, None, None]
    return Masked(pixels, np.broadcast_to(levels, (count, 112, 112, 1)).copy())


def test_shape_type_and_range_are_kept() -> None:
    image, mask = bright_lungs()
    random = np.random.default_rng(0)
    for _ in range(DRAWS):
        pixels, lungs = distortion.distorted(image, mask, random)
        assert pixels.shape == (224, 224)
        assert pixels.dtype == np.uint8
        assert lungs.shape == (112, 112)
        assert lungs.min() >= 0
        assert lungs.max() <= 1


def test_the_mask_moves_with_the_lungs() -> None:
    image, mask = bright_lungs()
    random = np.random.default_rng(0)
    for _ in range(DRAWS):
        placed, lungs = distortion._placed(image, mask, random)
        inside = placed[::2, ::2][lungs > 0.95]
        # The mask's places are twice the image's, so that rims are half a pixel off.
        assert inside.size == 0 or (inside > 150).mean() > 0.95


def test_some_images_are_mirrored_turned_enlarged_and_reduced() -> None:
    image, mask = bright_lungs()
    mask[:, 56:] = 0
    random = np.random.default_rng(1)
    placed = [distortion._placed(image, mask, random)[1] for _ in range(3 * DRAWS)]
    columns = np.arange(112)
    centres = np.array([(m.sum(0) * columns).sum() / m.sum() for m in placed if m.sum() > 50])
    assert 0.2 < (centres > 56).mean() < 0.8
    areas = np.array([m.sum() for m in placed]) / mask.sum()
    assert areas.min() < 0.5
    assert areas.max() > 2


def test_exposure_changes_levels_and_sometimes_inverts() -> None:
    ramp = np.tile(np.linspace(0, 255, 64, dtype=np.float32), (64, 1))
    random = np.random.default_rng(0)
    exposed = [distortion._exposed(ramp, random) for _ in range(5 * DRAWS)]
    rising = np.array([one[:, -8:].mean() > one[:, :8].mean() for one in exposed])
    assert 0.01 < 1 - rising.mean() < 0.2
    assert all(one.min() >= 0 and one.max() <= 255 for one in exposed)
    assert np.std([one.mean() for one in exposed]) > 15


def test_a_blank_image_and_an_empty_mask_do_no_harm() -> None:
    random = np.random.default_rng(0)
    for _ in range(DRAWS):
        pixels, lungs = distortion.distorted(
            np.zeros((224, 224), np.uint8), np.zeros((112, 112), np.float32), random
        )
        assert pixels.dtype == np.uint8
        assert lungs.max() == 0


def test_batches_pair_images_with_their_masks_in_another_order_each_epoch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(distortion, "distorted", lambda image, mask, random: (image, mask))
    given = images(6)
    batches = MaskedBatches(given, 2, seed=0)
    orders = []
    for _ in range(2):
        pixels, masks = map(np.concatenate, zip(*(batches[i] for i in range(3)), strict=True))
        order = np.rint(masks[:, 0, 0, 0] * 5).astype(int)
        np.testing.assert_array_equal(pixels, given.pixels[order])
        orders.append(order.tolist())
        batches.on_epoch_end()
    assert sorted(orders[0]) == sorted(orders[1]) == list(range(6))
    assert orders[0] != orders[1]


def test_what_is_left_of_the_last_batch_waits_for_another_epoch() -> None:
    batches = MaskedBatches(images(5), 2, seed=0)
    assert len(batches) == 2
    pixels, masks = batches[1]
    assert (pixels.shape, masks.shape) == ((2, 224, 224, 1), (2, 112, 112, 1))


def test_the_draws_follow_from_the_seed() -> None:
    first, again, other = (MaskedBatches(images(4), 4, seed)[0][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_sets_are_joined_in_order() -> None:
    both = images(2) + images(3)
    assert len(both) == 5
    np.testing.assert_array_equal(both.pixels[2:], images(3).pixels)
    np.testing.assert_array_equal(both.masks[:2], images(2).masks)
