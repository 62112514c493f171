"""A row of the table: what was read on one file, or why nothing was."""

import os
from dataclasses import dataclass, replace

from app.reading.model import Model
from app.reading.reading import Reading


@dataclass(frozen=True, kw_only=True)
class Row:
    """One file. The order of the attributes is that of the columns.

    Attributes:
        path: of the file, as it was found.
        study_instance_uid: of a DICOM image; likewise `series_instance_uid` and `sop_instance_uid`.
        sha256: of the file's bytes, in hexadecimal.
        format: `JPEG`, `PNG`, `WEBP`, `TIFF`, `BMP` or `DICOM`.
        width: of the image, in pixels, upright.
        height: likewise.
        label: `NORMAL`, `PNEUMONIA` or `INDETERMINATE`.
        probability: calibrated P(PNEUMONIA).
        threshold: the image counts as PNEUMONIA where probability >= threshold.
        prediction_set: the labels that conformal prediction cannot exclude.
        review: whether a person should read the image.
        reasons: why, in codes.
        warnings: what the answer is given in spite of, in codes.
        lungs_found: whether there are lungs; `lungs_left`, `lungs_top`, `lungs_right` and
            `lungs_bottom` are the box around them, in shares of the image's width and height, and
            `lungs_cut_off` says whether they go on beyond its edge.
        lungs_share: of the image, that they cover.
        evidence_in_lungs: the share of what argues for the answer that lies in the lungs.
        novelty: how far the image is from the training images; over 1 it is unlike them.
        brightness: its mean gray, 0 to 1.
        view: `AP`, `PA`, `lateral`, `other` or `unknown`, of a DICOM image.
        age_group: `0-5`, `6-17`, `18-39`, `40-64`, `65+` or `unknown`, likewise.
        model: the name of the model; `model_version` is its version, `model_digest` the SHA-256 of
            its manifest, `engine` and `device` are what computed it.
        profile_digest: the SHA-256 of the site profile whose numbers counted.
        seconds: that it took to decode the image and to infer it.
        problem: the code of why there is no answer, or no result in DICOM.
        detail: the same in a sentence.
    """

    path: str
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    sop_instance_uid: str | None = None
    sha256: str | None = None
    format: str | None = None
    width: int | None = None
    height: int | None = None
    label: str | None = None
    probability: float | None = None
    threshold: float | None = None
    prediction_set: tuple[str, ...] = ()
    review: bool | None = None
    reasons: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    lungs_found: bool | None = None
    lungs_left: float | None = None
    lungs_top: float | None = None
    lungs_right: float | None = None
    lungs_bottom: float | None = None
    lungs_cut_off: bool | None = None
    lungs_share: float | None = None
    evidence_in_lungs: float | None = None
    novelty: float | None = None
    brightness: float | None = None
    view: str | None = None
    age_group: str | None = None
    model: str | None = None
    model_version: int | None = None
    model_digest: str | None = None
    profile_digest: str | None = None
    engine: str | None = None
    device: str | None = None
    seconds: float | None = None
    problem: str | None = None
    detail: str | None = None

    def failed(self, problem: str, detail: str) -> "Row":
        """This row, and a problem."""
        return replace(self, problem=problem, detail=detail)

    def answered(self, reading: Reading) -> "Row":
        """This row, and what was read."""
        radiograph, lungs = reading.radiograph, reading.lungs
        left, top, right, bottom = lungs.box or (None,) * 4
        return replace(
            self,
            format=radiograph.format,
            width=radiograph.width,
            height=radiograph.height,
            label=reading.label.value,
            probability=reading.probability,
            threshold=reading.threshold,
            prediction_set=tuple(label.value for label in reading.prediction_set),
            review=reading.review,
            reasons=tuple(code.value for code in reading.reasons),
            warnings=tuple(code.value for code in reading.warnings),
            lungs_found=lungs.found,
            lungs_left=left,
            lungs_top=top,
            lungs_right=right,
            lungs_bottom=bottom,
            lungs_cut_off=lungs.cut_off,
            lungs_share=lungs.share,
            evidence_in_lungs=reading.evidence_in_lungs(reading.target),
            novelty=reading.novelty,
            brightness=reading.brightness,
            view=radiograph.view,
            age_group=radiograph.age_group,
            seconds=reading.seconds["decode"] + reading.seconds["infer"],
        )


def empty(path: str | os.PathLike[str], model: Model) -> Row:
    """The row of a file that nothing is known of, and of the model that is to read it.

    A name that is no text, as file systems allow, is written with escapes.
    """
    name = os.fsencode(path).decode(errors="backslashreplace")
    return Row(
        path=name,
        model=model.name,
        model_version=model.version,
        model_digest=model.digest,
        profile_digest=model.profile_digest,
        engine=model.engine,
        device=model.device,
    )
