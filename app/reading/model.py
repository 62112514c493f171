"""Which model answers, and what computes it."""

import hashlib
from dataclasses import dataclass

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

    @property
    def digest(self) -> str:
        """The SHA-256 of the manifest, which has that of every file."""
        return hashlib.sha256(self.manifest.model_dump_json().encode()).hexdigest()

    @property
    def threshold(self) -> float:
        """PNEUMONIA where probability >= threshold."""
        return self.manifest.calibration.operating_point.threshold
