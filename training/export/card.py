"""Write the model card: what a person reads before trusting a model version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_store.manifest import Manifest
from training.data import labelled
from training.evaluation import report
from training.evaluation.page import html_page

FILE_NAME = "MODEL_CARD.md"
PAGE_NAME = "MODEL_CARD.html"

_CARD = """\
# {name} {version}

Tells from a frontal chest X-ray how probable pneumonia is, and where it looked.

**For research use only. This is not a medical device, and no diagnosis may rest on it.**

{about}

## Model

A small U-Net marks the lungs. {backbone}, down to maps of a sixteenth of its input's side, sees
the field around them and nothing else: cropped, with the same mean and deviation inside, gray
outside, in two looks, one of which is alike around every place. The mean of its features over the
lungs, dropout and a dense layer give the answer; every layer was trained. The weights are stored as
float16: over the calibration images the probability moves by {float16_error:.5f} at most from the
float32 model's.
{lungs}
## Data

Split by patient, so that no patient is in two parts.

| part | images | what it decided |
| --- | ---: | --- |
| training | {images[train]:,} | the weights, and what is novel |
| validation | {images[validation]:,} | the epoch, the learning rate |
| calibration | {images[calibration]:,} | the scaling, the threshold, the prediction sets, the \
novelty limit |

All that follows was measured on patients held out of training, through the service's own decoding
and engine ({engine}), with 95 % intervals of a bootstrap over patients. Each part decided
something, as the table above says, so each column flatters the model a little: validation most of
all in the area under the curve, calibration in what depends on the scaling, the threshold and the
prediction sets. Images whose label is doubtful were trained on at a low weight, and are measured
nowhere. Both parts come from where the training images come from: **on other images, expect
less.** The figures, and all but the first table, are of the validation patients.

{sections}

## What its numbers mean

- `probability` is sigmoid(logit / {temperature:.3f} {bias:+.3f}), Platt's scaling, fitted on \
{calibration_images:,} images of {patients:,} calibration patients.
- `label` is PNEUMONIA where the probability is at least {threshold}: {chosen_for}. On the \
calibration patients that gave a sensitivity of {sensitivity:.3f} and a specificity of \
{specificity:.3f}.
- `prediction_set` holds every label that split conformal prediction cannot exclude at \
{coverage:.0%} coverage of each class. Both labels mean that a person should read the image.
- The warning `not_like_a_chest_xray` is given where the novelty exceeds {novelty_limit:.3f}, \
which 1 % of the calibration images did.
- No lungs are found where they cover less than {least_share:.1%} of the image, or where P(lung) \
is less than {least_certainty:.2f} in the mean over what they cover.

## How to make it again

Seed {seed}, with {versions}:

    {command}
"""

_LUNGS = """
How well the marked lungs agree with those that people drew, on patients held out of all training
(Dice coefficient):

{table}
"""


def write(
    path: Path,
    manifest: Manifest,
    metrics: Mapping[str, Mapping[str, Any]],
    dice: Mapping[str, Mapping[str, float]],
    about: str,
) -> None:
    """Write `path/MODEL_CARD.md`, and the same as one HTML file.

    Args:
        path: the version, which has its figures already.
        manifest: the version's.
        metrics: of the validation part what `evaluate.examine` returned, of the calibration part
            what `evaluate.ask` did.
        dice: by part, what `lung_training.measured` says; empty where nobody measured it.
        about: Markdown on what the model is for, and whose images it learnt from.
    """
    parts = labelled.VALIDATION, labelled.CALIBRATION
    validation = metrics[labelled.VALIDATION]
    calibration, provenance = manifest.calibration, manifest.provenance
    commands = provenance.command.replace("\n", "\n    ")
    text = _CARD.format(
        name=manifest.name,
        version=manifest.version,
        about=about.strip(),
        **provenance.model_dump(exclude={"command", "versions"}),
        command=commands,
        lungs=_LUNGS.format(table=_dice(dice)) if dice else "",
        versions=", ".join(f"{name} {found}" for name, found in provenance.versions.items()),
        engine=validation["engine"],
        sections=report.sections(validation, {part: metrics[part] for part in parts}),
        **calibration.scaling.model_dump(),
        calibration_images=calibration.images,
        patients=calibration.patients,
        **calibration.operating_point.model_dump(),
        coverage=calibration.conformal.coverage,
        novelty_limit=calibration.novelty_limit,
        **calibration.lungs.model_dump(),
    )
    (path / FILE_NAME).write_text(text)
    page = html_page(f"{manifest.name} {manifest.version}", text, path)
    (path / PAGE_NAME).write_text(page)


def _dice(found: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        [
            part,
            f"{one['images']:,}",
            *(f"{one[key]:.3f}" for key in ("mean", "median", "lowest_percent")),
        ]
        for part, one in found.items()
    ]
    return report.table(["", "images", "mean", "median", "99 of 100 exceed"], rows)
