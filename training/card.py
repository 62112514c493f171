"""Write the model card: what a person reads before trusting a model version."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_store.manifest import Manifest
from training import data, report
from training.page import html_page

FILE_NAME = "MODEL_CARD.md"
PAGE_NAME = "MODEL_CARD.html"

_CARD = """\
# {name} {version}

Tells from a frontal chest X-ray how probable pneumonia is, and where it looked.

**For research use only. This is not a medical device, and no diagnosis may rest on it.**

{about}

## Model

{backbone}, global average pooling, dropout, dense, on 224 x 224 grayscale pixels; every layer was
trained. The weights are stored as float16: over the calibration images the probability moves by
{float16_error:.5f} at most from the float32 model's.

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
prediction sets. Both come from where the training images come from: **on other images, expect
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

## How to make it again

Seed {seed}, with {versions}:

    {command}
"""


def write(
    path: Path, manifest: Manifest, metrics: Mapping[str, Mapping[str, Any]], about: str
) -> None:
    """Write `path/MODEL_CARD.md`, and the same as one HTML file.

    Args:
        path: the version, which has its figures already.
        manifest: the version's.
        metrics: of the validation part what `evaluate.examine` returned, of the calibration part
            what `evaluate.ask` did.
        about: Markdown on what the model is for, and whose images it learnt from.
    """
    parts = data.VALIDATION, data.CALIBRATION
    validation = metrics[data.VALIDATION]
    calibration, provenance = manifest.calibration, manifest.provenance
    text = _CARD.format(
        name=manifest.name,
        version=manifest.version,
        about=about.strip(),
        **provenance.model_dump(exclude={"versions"}),
        versions=", ".join(f"{name} {found}" for name, found in provenance.versions.items()),
        engine=validation["engine"],
        sections=report.sections(validation, {part: metrics[part] for part in parts}),
        **calibration.scaling.model_dump(),
        calibration_images=calibration.images,
        patients=calibration.patients,
        **calibration.operating_point.model_dump(),
        coverage=calibration.conformal.coverage,
        novelty_limit=calibration.novelty_limit,
    )
    (path / FILE_NAME).write_text(text)
    page = html_page(f"{manifest.name} {manifest.version}", text, path)
    (path / PAGE_NAME).write_text(page)
