"""Say in Markdown what was measured, and what it means."""

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from training.evaluation import explanations, groups
from training.evaluation.measured import TITLES, Assessment, Evaluation, Examination
from training.evaluation.page import html_page

FILE_NAME = "report.html"
FIGURES_FOLDER = "figures"

_TEMPLATES = Environment(
    loader=PackageLoader("training.evaluation"),
    autoescape=select_autoescape(),
    keep_trailing_newline=True,
    lstrip_blocks=True,
    trim_blocks=True,
    undefined=StrictUndefined,
)
# Python's own: {{ 0.5 | number(".1%") }}
_TEMPLATES.filters["number"] = format


def page(found: Evaluation, folder: Path) -> str:
    """What was measured, with the figures that `evaluate.evaluate` drew in `folder`, as HTML."""
    markdown = render("report.md.j2", found=found, sections=sections(found, {"": found}))
    return html_page(f"{found.model.name} {found.model.version}", markdown, folder)


def sections(found: Examination, columns: Mapping[str, Assessment]) -> str:
    """What was measured, told in sections, with its figures.

    Args:
        found: what `evaluate.examine` returned.
        columns: the results that are set beside each other, by title.
    """
    return render(
        "sections.md.j2",
        found=found,
        columns=columns,
        titles=TITLES,
        least=groups.LEAST,
        maps=explanations.MAPS,
    )


def render(template: str, **values: object) -> str:
    """A file of `templates`, filled in."""
    return _TEMPLATES.get_template(template).render(values)
