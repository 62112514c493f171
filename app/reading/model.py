"""Which model answers, and what computes it."""

from dataclasses import dataclass
from functools import cached_property

from model_store.manifest import Manifest


@dataclass(frozen=True)
class Model:
    """The model of a reading.

    Attributes:
        manifest: of its version in the store.
        engine: `openvino` or `tensorflow`.
        device: what the engine computes on.
    """

    manifest: Manifest
    engine: str
    device: str

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

    @property
    def threshold(self) -> float:
        """PNEUMONIA where probability >= threshold."""
        return self.manifest.calibration.operating_point.threshold
