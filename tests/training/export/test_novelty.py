import numpy as np
import numpy.typing as npt

from training.export.novelty import COMPONENTS, FeatureDensity, fit_density, roots


def features(count: int, channels: int) -> npt.NDArray[np.float32]:
    random = np.random.default_rng(0)
    mixing = random.normal(size=(channels, channels))
    return (random.normal(size=(count, channels)) @ mixing + 3).astype(np.float32)


def squared_distance(
    density: FeatureDensity, points: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """The squared Mahalanobis distance of the roots, as the density's docstring defines it."""
    centred = roots(points).astype(np.float64) - density.mean
    along = centred @ density.components
    beside = centred - along @ density.components.T
    return (along**2 / density.variances).sum(1) + (beside**2).sum(1) / density.noise


def test_where_components_suffice_the_distance_is_that_of_the_full_covariance() -> None:
    train = features(500, 20)
    points = train[:50] * 1.5
    centred = roots(points) - roots(train).mean(0, dtype=np.float64)
    full = np.einsum("ni,ij,nj->n", centred, np.linalg.inv(np.cov(roots(train).T)), centred)
    np.testing.assert_allclose(squared_distance(fit_density(train), points), full, rtol=1e-3)


def test_the_components_are_orthonormal_and_no_more_than_the_limit() -> None:
    density = fit_density(features(300, 100))
    assert density.components.shape == (100, COMPONENTS)
    assert density.variances.shape == (COMPONENTS,)
    np.testing.assert_allclose(
        density.components.T @ density.components, np.eye(COMPONENTS), atol=1e-5
    )


def test_the_noise_is_the_mean_variance_beside_the_components() -> None:
    train = features(300, 100)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(roots(train).T)))[::-1]
    density = fit_density(train)
    np.testing.assert_allclose(density.variances, eigenvalues[:COMPONENTS], rtol=1e-3)
    np.testing.assert_allclose(density.noise, eigenvalues[COMPONENTS:].mean(), rtol=1e-3)


def test_a_channel_that_never_fires_does_not_divide_by_zero() -> None:
    train = features(500, 20)
    train[:, 7] = 0
    density = fit_density(train)
    assert density.noise > 0
    assert np.isfinite(squared_distance(density, train)).all()


def test_roots_keep_the_sign() -> None:
    np.testing.assert_array_equal(roots(np.array([[4, 0, -9]], np.float32)), [[2, 0, -3]])
