"""What `python -m training commission` does."""

from dataclasses import replace
from pathlib import Path

from app.archive import tables
from app.host.files import write_whole
from training.data import site as sites
from training.data.labelled import DataError
from training.evaluation import reference, site_report
from training.evaluation.site import measure

PROFILE, REPORT = "profile.json", "report.html"


def commission(
    table: Path, labels: Path, out: Path, sensitivity: float, prevalence: float | None = None
) -> None:
    """Measure a model on a site's own images, and write the profile and the report.

    Args:
        table: what `pneumoscope archive` wrote.
        labels: as `training.data.site` describes them.
        out: the folder of `profile.json` and `report.html`.
        sensitivity: that the site asks for.
        prevalence: the share of PNEUMONIA where the model will be used; if not given, that of the
            labelled images.

    Raises:
        ArchiveError: the table cannot be read.
        DataError: the labels cannot be used, or the answers are not of one model, or by a site
            profile, or the folder cannot be written.
    """
    rows = tables.read(table)
    if len(models := {row.model_digest for row in rows}) != 1:
        raise DataError(f"{table} has the answers of {len(models)} models; it needs one.")
    if any(row.profile_digest for row in rows):
        raise DataError(
            f"{table} was read by a site profile: read it again without PNEUMOSCOPE_PROFILE."
        )
    measured = measure(sites.join(rows, labels), sensitivity, prevalence)
    found = reference.of_rows(rows, measured.profile.conformal)
    profile = measured.profile.model_copy(update={"reference": found})
    measured = replace(measured, profile=profile)
    # The profile last: where there is one, there is its report.
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / REPORT, site_report.page(measured).encode())
        measured.profile.write(out / PROFILE)
    except OSError as error:
        raise DataError(f"{out} cannot be written: {error.strerror}.") from error
