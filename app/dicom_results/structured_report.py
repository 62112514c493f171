"""A reading as a Comprehensive SR document (PS3.3, A.35.3) of TID 1500 (PS3.16).

What is found is a question with an answer, "Pneumonia: Absent" and never a bare finding
"Pneumonia", so that no reader who skips the answer takes it for the opposite.
"""

from highdicom.sr import (
    AlgorithmIdentification,
    CodeContentItem,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    ImageContentItem,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    TextContentItem,
    TrackingIdentifier,
)
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code
from pydicom.uid import UID

from app.codes import Label, Reason
from app.dicom_results import uids
from app.dicom_results.instance import (
    FOR_RESEARCH,
    PRODUCT,
    device_uid,
    instance_uid,
    place,
    to_file,
)
from app.dicom_results.kinds import REPORT
from app.dicom_results.regions import regions, seen
from app.dicom_results.source import Source
from app.reading.model import Model
from app.reading.reading import Reading

_SERIES_NUMBER = 9002
PNEUMONIA = CodedConcept("233604007", "SCT", "Pneumonia")
CHEST_RADIOGRAPHY = CodedConcept("399208008", "SCT", "Plain X-ray of chest")
_SOURCE = CodedConcept("260753009", "SCT", "Source")
ASSOCIATED_FINDING = CodedConcept("246090004", "SCT", "Associated finding")
PROBABILITY = codes.DCM.Probability
# CID 240, "Present-Absent".
FINDINGS = {
    Label.PNEUMONIA: codes.SCT.Present,
    Label.NORMAL: codes.SCT.Absent,
    Label.INDETERMINATE: codes.SCT.Undetermined,
}
# That a person should read the image, and why, as far as the standard has a code for it: a question
# and an answer. Quality findings are of CID 6135.
REVIEW = codes.DCM.Recommendation, codes.DCM.ForPhysicianReview
# What texts begin with that programs read again.
MODEL_DIGEST = "SHA-256 of the model: "
PROFILE_DIGEST = "SHA-256 of the site profile: "
PREDICTION_SET = "Conformal prediction set: "
_REASONS = {
    Reason.NO_LUNGS_FOUND: (codes.SCT.Lung, codes.DCM.NotVisualized),
    Reason.LUNGS_CUT_OFF: (codes.DCM.QualityFinding, codes.DCM.Positioning),
    Reason.LATERAL_VIEW: (codes.DCM.ImageView, codes.SCT.LateralProjection),
}


def structured_report(source: Source, reading: Reading) -> bytes:
    """Write a reading as a DICOM file.

    Args:
        source: the header of the image that was read, as `read_source` gives it.
        reading: of that image.

    Returns:
        The same bytes for the same arguments.
    """
    placed = place(source, reading.model, REPORT, _SERIES_NUMBER)
    report = MeasurementReport(
        observation_context=_observer(reading.model),
        procedure_reported=CHEST_RADIOGRAPHY,
        imaging_measurements=[_group(source, reading), *regions(source, reading)],
    )
    # Before the measurements.
    report[0].ContentSequence.insert(-1, _image_library(source))
    # Nobody verifies it, and it is no definitive answer (PS3.3, C.17.2).
    document = ComprehensiveSR(
        evidence=[source], content=report, is_complete=True, is_final=False, **placed
    )
    return to_file(document, source)


def report_uid(source: Dataset, model: Model) -> UID:
    """The SOP Instance UID that the report about an image has, whatever is found on it.

    Args:
        source: at least the SOP Instance and the Study Instance UID of the image.
        model: that reads it.
    """
    return instance_uid(source, model, REPORT)


def _observer(model: Model) -> ObservationContext:
    """The model as the observer (TID 1004)."""
    device = DeviceObserverIdentifyingAttributes(
        uid=device_uid(model),
        name=PRODUCT,
        manufacturer_name=PRODUCT,
        model_name=model.name,
    )
    return ObservationContext(
        observer_device_context=ObserverContext(
            observer_type=codes.DCM.Device, observer_identifying_attributes=device
        )
    )


def _image_library(source: Dataset) -> ContainerContentItem:
    """The image (TID 1600), which viewers look for there; nothing of its pixels is repeated."""
    library, group = (
        ContainerContentItem(name, relationship_type=RelationshipTypeValues.CONTAINS)
        for name in (codes.DCM.ImageLibrary, codes.DCM.ImageLibraryGroup)
    )
    image = ImageContentItem(
        _SOURCE,
        source.SOPClassUID,
        source.SOPInstanceUID,
        relationship_type=RelationshipTypeValues.CONTAINS,
    )
    library.ContentSequence = ContentSequence([group])
    group.ContentSequence = ContentSequence([image])
    return library


def _group(source: Dataset, reading: Reading) -> MeasurementsAndQualitativeEvaluations:
    """What was found on the image (TID 1501)."""
    model = reading.model
    group = MeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(
            uids.derive("tracking", model.name, source.SOPInstanceUID), "Pneumonia"
        ),
        algorithm_id=AlgorithmIdentification(
            name=model.name,
            version=str(model.version),
            parameters=_parameters(model),
            manufacturer=PRODUCT,
        ),
        measurements=[_probability(source, reading)],
        qualitative_evaluations=[QualitativeEvaluation(*pair) for pair in _evaluations(reading)],
        source_images=[SourceImageForMeasurementGroup(source.SOPClassUID, source.SOPInstanceUID)],
    )
    group[0].ContentSequence.extend(_comment(text) for text in _comments(reading))
    return group


def _parameters(model: Model) -> list[str]:
    """The numbers by which the model reads, and what they are from."""
    parameters = [
        f"Pneumonia is present where its probability is at least {model.threshold}",
        f"{MODEL_DIGEST}{model.digest}",
    ]
    if model.profile:
        parameters += [
            f"{PROFILE_DIGEST}{model.profile_digest}",
            f"Site profile of {model.profile.created:%Y-%m-%d}: prevalence of pneumonia "
            f"{model.profile.prevalence:g}",
        ]
    return parameters


def _probability(source: Dataset, reading: Reading) -> Measurement:
    """The calibrated probability, of pneumonia whatever the label is (TID 300)."""
    measurement = Measurement(PROBABILITY, reading.probability, codes.UCUM.NoUnits)
    measurement[0].ContentSequence = ContentSequence(
        [
            CodeContentItem(ASSOCIATED_FINDING, PNEUMONIA, RelationshipTypeValues.HAS_CONCEPT_MOD),
            seen(source, reading),
        ]
    )
    return measurement


def _evaluations(reading: Reading) -> list[tuple[Code, Code]]:
    """Questions and answers in codes."""
    review = [REVIEW] if reading.review else []
    reasons = [_REASONS[reason] for reason in reading.reasons if reason in _REASONS]
    return [(PNEUMONIA, FINDINGS[reading.label]), *review, *reasons]


def _comments(reading: Reading) -> list[str]:
    comments = [FOR_RESEARCH, f"{PREDICTION_SET}{', '.join(reading.prediction_set)}"]
    if len(reading.prediction_set) > 1:
        comments[-1] += " (a person should read the image)"
    comments += [f"Warning: {code}" for code in reading.warnings]
    return comments + [f"Reason for review: {code}" for code in reading.reasons]


def _comment(text: str) -> TextContentItem:
    return TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS)
