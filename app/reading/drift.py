"""Whether images still look like those of a reference: the population stability index.

Each quantity of an image falls into one of a few bins. The reference, which a manifest or a site
profile has, says how many of its images fell into each; here the latest readings are counted beside
it. Quantities are compared one by one, and no bin tells of two of them.

The index is a sign that images changed. It knows no labels, and so nothing of how good answers are.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import log
from typing import NamedTuple

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from app.codes import AgeGroup, View
from app.reading.reading import Reading
from model_store.manifest import Distributions

WINDOW = 1000
"""Readings that are compared: the latest."""

LEAST = 200
"""Images, of the reference and of late, with fewer of which chance alone moves the index much.

Where nothing has changed it is about (bins - 1) (1 / images of the one + 1 / images of the other)
(Yurdakul 2018, https://scholarworks.wmich.edu/dissertations/3208): 0.1 for 11 bins of 200 each.
"""

TENTHS = tuple(tenth / 10 for tenth in range(1, 11))
EDGES: Mapping[str, tuple[float, ...]] = {
    "probability": TENTHS,
    "prediction_set_size": (1, 2),
    "novelty": (0.25, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5, 2, 4),
    "lung_share": (0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.6),
    "brightness": TENTHS,
}
"""Of quantities that are numbers, what belongs to a bin at most."""

BINS: Mapping[str, tuple[str, ...]] = {
    **{name: (*map(str, edges), f">{edges[-1]}") for name, edges in EDGES.items()},
    "format": ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "DICOM"),
    "view": tuple(View),
    "age_group": tuple(AgeGroup),
}
"""The names of each quantity's bins: of numbers, what belongs to them at most."""

_EMPTY = 0.5


class Quantities(NamedTuple):
    """What is compared of one image; what it does not say is None.

    Attributes:
        probability: the model's own, whatever the site's prevalence.
        prediction_set_size: labels that cannot be excluded.
        novelty: relative to the model's limit.
        lung_share: of the image, that the lungs cover.
        brightness: mean gray, 0 to 1.
        format: of the file.
        view: of a DICOM image.
        age_group: likewise.
    """

    probability: float
    prediction_set_size: int
    novelty: float | None
    lung_share: float | None
    brightness: float | None
    format: str | None = None
    view: str | None = None
    age_group: str | None = None

    def bins(self) -> Iterator[tuple[str, str]]:
        """The name of each quantity that is known, and that of its bin."""
        for name, value in self._asdict().items():
            if isinstance(value, str):
                yield name, value
            elif value is not None:
                yield name, BINS[name][bisect_left(EDGES[name], value)]


def quantities(reading: Reading) -> Quantities:
    """What is compared of a reading, on whose image lungs were found."""
    radiograph = reading.radiograph
    return Quantities(
        float(reading.answers.probability[0]),
        len(reading.prediction_set),
        reading.novelty,
        reading.lungs.share,
        reading.brightness,
        radiograph.format,
        radiograph.view,
        radiograph.age_group,
    )


def count(images: Iterable[Quantities]) -> Distributions:
    """How images are distributed, without the quantities that none of them says."""
    found = {name: dict.fromkeys(bins, 0) for name, bins in BINS.items()}
    for image in images:
        for name, bin_name in image.bins():
            found[name][bin_name] += 1
    return {name: counts for name, counts in found.items() if any(counts.values())}


def stability_index(expected: Sequence[int], actual: Sequence[int]) -> float:
    """The population stability index of two samples, which is 0 where they are distributed alike.

    It is the sum over bins of (a - e) ln(a / e), where a and e are the bin's shares of the samples
    (arXiv:2303.01227 reviews it). A bin that one of them leaves empty counts as half an image
    there, and one that both do not at all.

    Args:
        expected: how many images of the reference are in each bin.
        actual: how many later ones, bin by bin.
    """
    index = 0.0
    for e, a in zip(expected, actual, strict=True):
        if e or a:
            before, now = max(e, _EMPTY) / sum(expected), max(a, _EMPTY) / sum(actual)
            index += (now - before) * log(now / before)
    return index


class Drift(Collector):
    """The latest readings beside the reference, as metrics.

    There are none without a reference, nor of a quantity that it has other bins for, or too few
    images of.
    """

    def __init__(self) -> None:
        self._compared: dict[str, _Compared] = {}

    def compare_with(self, reference: Distributions | None) -> None:
        """Begin anew, with another reference or none."""
        self._compared = {
            name: _Compared([counts[bin_name] for bin_name in BINS[name]])
            for name, counts in (reference or {}).items()
            if counts.keys() == set(BINS.get(name, ())) and sum(counts.values()) >= LEAST
        }

    def add(self, image: Quantities) -> None:
        """Count a reading."""
        for name, bin_name in image.bins():
            if name in self._compared:
                self._compared[name].add(BINS[name].index(bin_name))

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """What Prometheus is told, perhaps from another thread than the one that counts."""
        index = GaugeMetricFamily(
            "pneumoscope_stability_index",
            "Population stability index of the latest readings against the reference",
            labels=["quantity"],
        )
        reference, recent = (
            GaugeMetricFamily(name, f"Share of {title} in each bin", labels=["quantity", "bin"])
            for name, title in (
                ("pneumoscope_reference_share", "the reference"),
                ("pneumoscope_recent_share", "the latest readings"),
            )
        )
        for name, compared in self._compared.items():
            _add_shares(reference, name, compared.expected)
            latest = list(compared.latest)
            if sum(latest) >= LEAST:
                _add_shares(recent, name, latest)
                index.add_metric([name], stability_index(compared.expected, latest))
        yield from (index, reference, recent)


class _Compared:
    """Of one quantity, how many images of the reference are in each bin, and how many of late."""

    def __init__(self, expected: list[int]) -> None:
        self.expected, self.latest = expected, [0] * len(expected)
        self._order: deque[int] = deque()

    def add(self, index: int) -> None:
        if len(self._order) == WINDOW:
            self.latest[self._order.popleft()] -= 1
        self._order.append(index)
        self.latest[index] += 1


def _add_shares(family: GaugeMetricFamily, name: str, counts: list[int]) -> None:
    for bin_name, images in zip(BINS[name], counts, strict=True):
        family.add_metric([name, bin_name], images / sum(counts))
