"""A site's acceptance test, told in one HTML file."""

from collections import Counter
from pathlib import Path

from app.reading.drift import LEAST
from training.evaluation import groups
from training.evaluation.measured import TITLES
from training.evaluation.page import html_page
from training.evaluation.site import Commissioned, Share, predictive_values

_REPORT = """\
# {name} {version} on this site's images

For research use only: not a medical device. The model's digest is `{digest}`; of another model or
version this says nothing.

{images} images of {patients} patients have a label and an answer, {ill} of them PNEUMONIA and
{well} NORMAL. {left_out}

## How good it is here

At the model's own threshold, {at}. Intervals are of 95 %: of shares the wider one of Wilson's and a
bootstrap over patients, of the others that bootstrap's.

| | | interval | images | more for ± 0.05 |
| --- | --- | --- | --- | --- |
{shares}

| | | interval |
| --- | --- | --- |
{figures}

Coverage is the share of a label's images whose `prediction_set` holds it. The calibration error
(ECE) and the Brier score are of the probability as it is given, for equal shares of both labels.
A bootstrap cannot leave the images that there are: where its interval ends at 1.000, go by their
number.

## For whom

{ages}

{groups}

## What the profile says

- **Prevalence** {prevalence}. An answer of PNEUMONIA is right in {positive} of cases then, one of
  NORMAL in {negative}, at the model's threshold. With another prevalence it is otherwise.
- **Threshold** {threshold}
- **Prediction sets** at a coverage of {coverage:g}: quantiles of {normal:.4f} for NORMAL and
  {pneumonia:.4f} for PNEUMONIA.{few}
- **Reference** of {reference} images, labelled or not, beside which the service sees later ones. It
  takes {least} to tell drift from chance.
"""


def page(measured: Commissioned) -> str:
    """The report, which shows no image and names none."""
    profile = measured.profile
    positive, negative = predictive_values(
        measured.sensitivity.value, measured.specificity.value, profile.prevalence
    )
    conformal = profile.conformal
    is_short = 1.0 in (conformal.normal_quantile, conformal.pneumonia_quantile)
    title = f"{profile.model_name} {profile.model_version} on this site's images"
    markdown = _REPORT.format(
        name=profile.model_name,
        version=profile.model_version,
        digest=profile.model_digest,
        images=profile.images,
        patients=profile.patients,
        ill=measured.sensitivity.of,
        well=measured.specificity.of,
        left_out=_left_out(measured),
        at=measured.at,
        shares="\n".join(
            _line(name, share)
            for name, share in {
                "sensitivity": measured.sensitivity,
                "specificity": measured.specificity,
                "coverage of NORMAL": measured.coverage["NORMAL"],
                "coverage of PNEUMONIA": measured.coverage["PNEUMONIA"],
                "unlike the training images": measured.novel,
                "left to a person": measured.review,
            }.items()
        ),
        figures="\n".join(
            f"| {TITLES[name]} | {value:.3f} | {low:.3f} to {high:.3f} |"
            for name, (value, (low, high)) in measured.figures.items()
        ),
        ages=_ages(measured),
        groups=_groups(measured),
        prevalence=f"{profile.prevalence:.3f}",
        positive=f"{positive:.3f}",
        negative=f"{negative:.3f}",
        threshold=_threshold(measured),
        coverage=conformal.coverage,
        normal=conformal.normal_quantile,
        pneumonia=conformal.pneumonia_quantile,
        few=" A quantile of 1 excludes nothing: there are too few images of that label."
        if is_short
        else "",
        reference=sum((profile.reference or {}).get("probability", {}).values()),
        least=LEAST,
    )
    return html_page(title, markdown, Path())


def _line(name: str, share: Share) -> str:
    return (
        f"| {name} | {share.value:.3f} | {share.low:.3f} to {share.high:.3f} | "
        f"{share.count} of {share.of} | {share.more or 'enough'} |"
    )


def _left_out(measured: Commissioned) -> str:
    site = measured.site
    origins = sorted({sample.label_origin for sample in site.samples} - {""})
    problems = [f"{count} for `{code}`" for code, count in sorted(measured.problems.items())]
    said = [f"Labelled images without an answer: {', '.join(problems) or 'none'}."]
    if origins:
        said.insert(0, f"The labels are from: {', '.join(origins)}.")
    if site.without_row:
        said.append(f"{site.without_row} labels are of images that were not read.")
    if site.without_label:
        said.append(f"{site.without_label} images that were read have no label.")
    return " ".join(said)


def _ages(measured: Commissioned) -> str:
    """The shares of adults and children, also where they are too few to be measured apart."""
    found = Counter(sample.population for sample in measured.site.samples)
    total = found.total()
    adults, children, unknown = (
        f"{found[kind]} ({found[kind] / total:.3f})" for kind in ("adult", "child", "unknown")
    )
    return f"{adults} images are of adults, {children} of children, {unknown} of unknown age."


def _groups(measured: Commissioned) -> str:
    if not measured.groups:
        return (
            f"No group has {groups.LEAST} images of each label, without which its figures would "
            "tell nothing, or nothing is known of age, sex, view and manufacturer."
        )
    lines = [
        f"| {name} | {group.share:.2f} | {group.sensitivity.of} | {group.specificity.of} | "
        f"{_interval(group.roc_auc[0], *group.roc_auc[1])} | {_told(group.sensitivity)} | "
        f"{_told(group.specificity)} |"
        for name, group in measured.groups.items()
    ]
    return "\n".join(
        [
            "| | share | PNEUMONIA | NORMAL | ROC AUC | sensitivity | specificity |",
            "| --- | --- | --- | --- | --- | --- | --- |",
            *lines,
        ]
    )


def _told(share: Share) -> str:
    return _interval(share.value, share.low, share.high)


def _interval(value: float, low: float, high: float) -> str:
    return f"{value:.3f} ({low:.3f} to {high:.3f})"


def _threshold(measured: Commissioned) -> str:
    threshold = measured.profile.threshold
    if threshold is None or measured.at_site is None:
        return (
            f"none: it takes {measured.more_for_threshold} more images of PNEUMONIA to promise the "
            "sensitivity that was asked for."
        )
    sensitivity, specificity = measured.at_site
    return (
        f"{threshold.value:.4f}, at which a further image of PNEUMONIA is found with a probability "
        f"of {threshold.sensitivity:g} or more. On these images: sensitivity {_told(sensitivity)}, "
        f"specificity {_told(specificity)}."
    )
