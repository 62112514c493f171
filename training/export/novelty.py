"""How far an image's features lie from the training images'."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

COMPONENTS = 32


@dataclass(frozen=True)
class FeatureDensity:
    """A Gaussian of low-rank covariance: probabilistic PCA (Tipping and Bishop 1999).

    It is one of square roots: a channel's mean activation is mostly small and now and then large,
    and its root is closer to normally distributed. Of 24 X-rays at their full original size none
    then lay beyond the first released model's limit; without the root two did.

    Attributes:
        mean: of the roots, `[channels]`.
        components: orthonormal, `[channels, k]`.
        variances: of the roots along the components, `[k]`.
        noise: the variance in every other direction.
    """

    mean: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]
    variances: npt.NDArray[np.float32]
    noise: float


def fit_density(features: npt.NDArray[np.float32]) -> FeatureDensity:
    """Fit to the pooled features `[N, channels]` of the training images."""
    pca = PCA(min(COMPONENTS, *(side - 1 for side in features.shape)), svd_solver="full")
    pca.fit(roots(features).astype(np.float64))
    floor = 1e-6 * float(pca.explained_variance_.max())
    return FeatureDensity(
        mean=pca.mean_.astype(np.float32),
        components=pca.components_.T.astype(np.float32),
        variances=np.maximum(pca.explained_variance_, floor).astype(np.float32),
        noise=max(float(pca.noise_variance_), floor),
    )


def roots(features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The square roots of the absolute values, with the sign: not every activation is a ReLU."""
    return np.sign(features) * np.sqrt(np.abs(features))
