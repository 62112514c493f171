"""Which model answers, what computes it, and by which site's numbers."""

from dataclasses import dataclass
from functools import cached_property

from app.reading.site_profile import SiteProfile
from model_store.manifest import Conformal, Distributions, Manifest


@dataclass(frozen=True)
class Model:
    """The model of a reading.

    Attributes:
        manifest: of its version in the store.
        engine: `openvino` or `tensorflow`.
        device: what the engine computes on.
        profile: of the site, whose numbers count more than the manifest's.
    """

    manifest: Manifest
    engine: str
    device: str
    profile: SiteProfile | None = None

    @property
    def name(self) -> str:
        return self.manifest.name

    @property
    def version(self) -> int:
        return self.manifest.version

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the manifest, which stands for every file of the version."""
        return self.manifest.digest

    @cached_property
    def profile_digest(self) -> str | None:
        """The SHA-256 of the site profile."""
        return self.profile.digest if self.profile else None

    def probability(self, own: float) -> float:
        """The model's own P(PNEUMONIA), as it is where the model is used."""
        return self.profile.at_site(own) if self.profile else own

    @cached_property
    def threshold(self) -> float:
        """PNEUMONIA where `probability` >= threshold."""
        own = self.manifest.calibration.operating_point.threshold
        if self.profile and self.profile.threshold:
            own = self.profile.threshold.value
        return self.probability(own)

    @property
    def conformal(self) -> Conformal:
        """What conformal prediction excludes, by the model's own probability."""
        return (self.profile or self.manifest.calibration).conformal

    @property
    def reference(self) -> Distributions | None:
        """How images should be distributed, where that was measured."""
        return (self.profile or self.manifest).reference
