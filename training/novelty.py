"""How far an image's features lie from the training images'."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA

COMPONENTS = 64


@dataclass(frozen=True)
class FeatureDensity:
    """A Gaussian of low-rank covariance: probabilistic PCA (Tipping and Bishop 1999).

    Attributes:
        mean: `[channels]`.
        components: orthonormal, `[channels, k]`.
        variances: of the features along the components, `[k]`.
        noise: the variance in every other direction.
    """

    mean: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]
    variances: npt.NDArray[np.float32]
    noise: float


def fit_density(features: npt.NDArray[np.float32]) -> FeatureDensity:
    """Fit to the pooled features `[N, channels]` of the training images."""
    pca = PCA(min(COMPONENTS, *(side - 1 for side in features.shape)), svd_solver="full")
    pca.fit(features.astype(np.float64))
    floor = 1e-6 * float(pca.explained_variance_.max())
    return FeatureDensity(
        mean=pca.mean_.astype(np.float32),
        components=pca.components_.T.astype(np.float32),
        variances=np.maximum(pca.explained_variance_, floor).astype(np.float32),
        noise=max(float(pca.noise_variance_), floor),
    )
