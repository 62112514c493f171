"""Write the model card: what a person reads before trusting a model version."""

from collections.abc import Mapping
from pathlib import Path

from model_store.manifest import Manifest
from training.evaluation import report
from training.evaluation.measured import Assessment, Examination
from training.evaluation.page import html_page
from training.fit.lung_training import Dice

FILE_NAME = "MODEL_CARD.md"
PAGE_NAME = "MODEL_CARD.html"


def write(
    path: Path,
    manifest: Manifest,
    validation: Examination,
    parts: Mapping[str, Assessment],
    dice: Mapping[str, Dice],
    about: str,
) -> None:
    """Write `path/MODEL_CARD.md`, and the same as one HTML file.

    Args:
        path: the version, which has its figures already.
        manifest: the version's.
        validation: measured on the validation part.
        parts: what is set beside each other, `validation` too, by title.
        dice: of the marked lungs, by part; empty where nobody measured it.
        about: Markdown on what the model is for, and whose images it learnt from.
    """
    text = report.render(
        "card.md.j2",
        manifest=manifest,
        engine=validation.engine,
        sections=report.sections(validation, parts),
        dice=dice,
        about=about,
    )
    (path / FILE_NAME).write_text(text)
    page = html_page(f"{manifest.name} {manifest.version}", text, path)
    (path / PAGE_NAME).write_text(page)
