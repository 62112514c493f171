"""What a report says of an image: a Structured Report, a JSON answer, or a row of an archive."""

from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.archive import tables
from app.archive.row import Row
from app.codes import Label
from app.errors import VerifyError
from app.imaging.formats import has_preamble
from model_store.manifest import Fraction, Sha256

_TABLES = (".csv", ".jsonl", ".parquet")
# A SHA-256 or a UID: it is printed, and must hold nothing else.
_Name = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|[0-9.]{1,64})$")]


class Report(BaseModel):
    """What is said of one image.

    Attributes:
        image: its SHA-256, or its SOP Instance UID where that is all that is said.
        model: the SHA-256 of the model's manifest.
        profile: that of the site profile; None where the model's own numbers counted.
        probability: calibrated P(PNEUMONIA), at the profile's prevalence.
        label: what the image shows.
        prediction_set: the labels that cannot be excluded.
    """

    model_config = ConfigDict(frozen=True)

    image: _Name
    model: Sha256
    profile: Sha256 | None
    probability: Fraction
    label: Label
    prediction_set: frozenset[Label]


def read_report(path: Path, sha256: str) -> Report:
    """Read a report, told apart by its content, and a table by its suffix.

    Args:
        path: of the report.
        sha256: of the image, by which its row is found in a table.

    Raises:
        VerifyError: it cannot be read, is none, has no answer to the image, or does not name the
            digest of its model.
        ArchiveError: it has the suffix of a table, and is none.
    """
    if path.suffix in _TABLES:
        return _of_table(path, sha256)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise VerifyError(f"{path} cannot be read: {error.strerror}.") from error
    return _of_dicom(path, data) if has_preamble(data) else _of_json(path, data)


class _Named(BaseModel):
    digest: Sha256


class _Input(BaseModel):
    sha256: Sha256


class _Answer(BaseModel):
    """A JSON answer, as far as it is verified."""

    label: Label
    probability: Fraction
    prediction_set: frozenset[Label]
    input: _Input
    model: _Named
    profile: _Named | None


def _of_json(path: Path, data: bytes) -> Report:
    try:
        answer = _Answer.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "JSON"
        raise VerifyError(
            f"{path} is no Structured Report, and no JSON answer of /predict or /explain: at "
            f"{where}, {first['msg']}."
        ) from None
    return Report(
        image=answer.input.sha256,
        model=answer.model.digest,
        profile=answer.profile.digest if answer.profile else None,
        probability=answer.probability,
        label=answer.label,
        prediction_set=answer.prediction_set,
    )


def _of_table(path: Path, sha256: str) -> Report:
    rows = [row for row in tables.read(path) if row.sha256 == sha256]
    if not rows:
        raise VerifyError(f"{path} has no row of the image.")
    # Copies of an image have a row each.
    reports = {_of_row(path, row) for row in rows}
    if len(reports) > 1:
        raise VerifyError(f"{path} has rows of the image that contradict each other.")
    return reports.pop()


def _of_row(path: Path, row: Row) -> Report:
    if row.label is None:
        raise VerifyError(f"{path} has no answer to the image, but a problem: {row.problem}.")
    try:
        return Report.model_validate(
            {
                "image": row.sha256,
                "model": row.model_digest,
                "profile": row.profile_digest,
                "probability": row.probability,
                "label": row.label,
                "prediction_set": row.prediction_set,
            }
        )
    except ValidationError:
        raise VerifyError(f"{path} has a row of the image that is no answer.") from None


def _of_dicom(path: Path, data: bytes) -> Report:
    # Here, since highdicom takes a second of a start that may never need it.
    from highdicom.sr import ComprehensiveSR
    from pydicom import dcmread

    from app.dicom_results import structured_report as written

    try:
        document: Any = ComprehensiveSR.from_dataset(dcmread(BytesIO(data)))
        [group] = document.content.get_image_measurement_groups()
        [measurement] = group.get_measurements(name=written.PROBABILITY)
        [finding] = group.get_qualitative_evaluations(name=written.PNEUMONIA)
        [source] = group.source_images
        texts = [item.TextValue for item in group[0].ContentSequence if "TextValue" in item]
        labels = {code.value: label for label, code in written.FINDINGS.items()}
        said = _said(texts, written.PREDICTION_SET) or ""
        return Report(
            image=str(source.referenced_sop_instance_uid),
            model=_said(texts, written.MODEL_DIGEST) or "",
            profile=_said(texts, written.PROFILE_DIGEST),
            probability=float(measurement.value),
            label=labels[finding.value.value],
            # Behind them it may say that a person should read the image.
            prediction_set=frozenset(Label(name) for name in said.split(" (")[0].split(", ")),
        )
    # Of another program, or broken, it may fail in whichever way.
    except Exception as error:
        raise VerifyError(
            f"{path} is no Structured Report of this program that names its model's digest."
        ) from error


def _said(texts: Iterable[str], start: str) -> str | None:
    """What follows the start in the first text that has it."""
    return next((text.removeprefix(start) for text in texts if text.startswith(start)), None)
