"""Groups of patients and projections that are measured apart, since a mean hides the worst."""

from collections.abc import Mapping, Sequence

import numpy as np

from training.data.labelled import LABELS, Sample
from training.evaluation import bootstrap, suitability, weighted
from training.evaluation.measured import Group
from training.evaluation.suitability import Mask, Suitability
from training.evaluation.weighted import Answered

LEAST = 10
"""Images of each label, without which a group's figures would tell nothing."""

RESAMPLES = 2_000

_AGES = ((0, 5), (6, 17), (18, 39), (40, 64))
FIGURES = (
    "roc_auc",
    "pr_auc",
    "sensitivity",
    "specificity",
    "ece",
    "coverage_normal",
    "coverage_pneumonia",
)
"""What is told of each group."""


def masks(samples: Sequence[Sample]) -> dict[str, Mask]:
    """Which samples are in each group, `[N]`, by the group's name.

    `children`, `adults`, `adults AP`, `adults PA`; `women` and `men`, adults too; those of known
    age by completed years, `aged 0-5` to `aged 65+`; and each source, `from kermany` and so on.
    Only the groups that have `LEAST` images of each label. A sample is in several.
    """
    population = np.array([sample.population for sample in samples])
    view = np.array([sample.view for sample in samples])
    sex = np.array([sample.sex for sample in samples])
    source = np.array([sample.source for sample in samples])
    age = np.array([np.nan if s.age is None else s.age for s in samples], np.float64)
    adults = population == "adult"
    found = {
        "children": population == "child",
        "adults": adults,
        "adults AP": adults & (view == "AP"),
        "adults PA": adults & (view == "PA"),
        "women": adults & (sex == "F"),
        "men": adults & (sex == "M"),
        **{f"aged {low}-{high}": (age >= low) & (age < high + 1) for low, high in _AGES},
        "aged 65+": age >= 65,
        **{f"from {name}": source == name for name in np.unique(source) if name},
    }
    return _large(found, samples)


def masks_of_site(samples: Sequence[Sample]) -> dict[str, Mask]:
    """The groups of `masks`, and `AP`, `PA`, `female` and `male` of all ages.

    A site may treat children only, or not know the ages. What would be one of the others under
    another name is left out.
    """
    found = masks(samples)
    view = np.array([sample.view for sample in samples])
    sex = np.array([sample.sex for sample in samples])
    of_all_ages = {"AP": view == "AP", "PA": view == "PA", "female": sex == "F", "male": sex == "M"}
    told = {mask.tobytes() for mask in found.values()}
    others = {name: m for name, m in of_all_ages.items() if m.tobytes() not in told}
    return found | _large(others, samples)


def _large(found: Mapping[str, Mask], samples: Sequence[Sample]) -> dict[str, Mask]:
    labels = np.array([sample.label for sample in samples])
    return {
        name: mask
        for name, mask in found.items()
        if all((labels[mask] == label).sum() >= LEAST for label in range(len(LABELS)))
    }


def measure(
    found: Answered,
    strange: Suitability,
    samples: Sequence[Sample],
    resamples: int = RESAMPLES,
) -> dict[str, Group]:
    """Each group's figures, by its name.

    Args:
        found: what was answered to N images.
        strange: what is found strange in them.
        samples: the N images; patients are told apart by name, so across sets by those that
            `datasets.find_all` gives.
        resamples: of the bootstrap, which is seeded.
    """
    patients = np.array([sample.patient for sample in samples])
    return {
        name: _figures(_part(found, mask), strange.of(mask), patients[mask].tolist(), resamples)
        for name, mask in masks(samples).items()
    }


def _part(found: Answered, mask: Mask) -> Answered:
    return Answered(found.truth[mask], found.scores[mask], found.called[mask], found.sets[mask])


def _figures(
    found: Answered, strange: Suitability, patients: Sequence[str], resamples: int
) -> Group:
    once = np.ones((1, len(found.truth)))
    roc_auc, pr_auc = weighted.areas(once, found.scores, found.truth)
    report = weighted.reports(weighted.matrices(once, found.truth, found.called))
    values = {
        "roc_auc": roc_auc,
        "pr_auc": pr_auc,
        "sensitivity": report["PNEUMONIA"]["recall"],
        "specificity": report["NORMAL"]["recall"],
        **weighted.trust(once, found),
    }
    told = {key: float(values[key][0]) for key in FIGURES}
    return Group(
        n=len(found.truth),
        normal=int((found.truth == 0).sum()),
        pneumonia=int((found.truth == 1).sum()),
        patients=len(set(patients)),
        **bootstrap.estimates(told, found, patients, resamples),
        strange=suitability.with_intervals(strange, patients, resamples),
    )
