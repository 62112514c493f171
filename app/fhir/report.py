"""A reading as a FHIR R4 transaction: a DiagnosticReport, its Observations and the Device.

It says what the Structured Report says, in the same codes (HL7's guide *DICOM SR to FHIR Resource
Mapping*). Ids follow from the image's and the model's UIDs, and every entry is a PUT: a server that
gets the same reading twice keeps it once. Patient, study and image are referred to by their
identifiers, since only the receiver knows which resources they are there.
"""

from dataclasses import dataclass
from typing import Any

from highdicom.sr import CodedConcept
from pydicom.sr.coding import Code
from pydicom.uid import (
    UID,
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    DigitalXRayImageStorageForProcessing,
    XRayRadiofluoroscopicImageStorage,
)

from app.dicom_results import uids
from app.dicom_results.instance import FOR_RESEARCH, PRODUCT, device_uid, instance_uid, software
from app.dicom_results.source import Source, taken
from app.dicom_results.structured_report import (
    CHEST_RADIOGRAPHY,
    FINDINGS,
    PNEUMONIA,
    PREDICTION_SET,
    PROBABILITY,
    REVIEW,
)
from app.reading.reading import Reading
from app.reading.site_profile import SiteProfile

Resource = dict[str, Any]
Concept = Code | CodedConcept

_KIND = "fhir"
_CONTAINED_STUDY = "study"
# PS3.16, 8: code systems by their designators.
_SYSTEMS = {
    "DCM": "http://dicom.nema.org/resources/ontology/DCM",
    "SCT": "http://snomed.info/sct",
}
_UCUM = "http://unitsofmeasure.org"
_DICOM_UID = "urn:dicom:uid"
_DECIMALS = 6
_MODALITIES = {
    ComputedRadiographyImageStorage: "CR",
    DigitalXRayImageStorageForPresentation: "DX",
    DigitalXRayImageStorageForProcessing: "DX",
    XRayRadiofluoroscopicImageStorage: "RF",
}


def transaction(source: Source, reading: Reading) -> Resource:
    """The Bundle that a FHIR server takes by POST, as what `json.dumps` takes.

    Args:
        source: the header of the image that was read, as `read_source` gives it.
        reading: of that image.

    Returns:
        The same for the same arguments.
    """
    device = _device(reading)
    about = _About(source, reading, f"urn:uuid:{device['id']}")
    found = [
        _finding(about),
        _probability(about),
        *([_review(about)] if reading.review else []),
    ]
    resources = (device, *found, _report(about, found))
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [_entry(resource) for resource in resources],
    }


@dataclass(frozen=True)
class _About:
    """What the Observations and the report have in common.

    Attributes:
        source: the header of the image that was read.
        reading: of that image.
        device: the URL of the Device that read it.
    """

    source: Source
    reading: Reading
    device: str

    @property
    def subject(self) -> Resource | None:
        """The patient, by identifier, where the image has one."""
        patient, issuer = self.source.get("PatientID"), self.source.get("IssuerOfPatientID")
        if not patient:
            return None
        identifier = {"value": patient} | ({"assigner": {"display": issuer}} if issuer else {})
        return {"type": "Patient", "identifier": identifier}

    def resource(self, kind: str, what: str, **elements: Any) -> Resource:
        """A resource about the image; `what` tells it from others of the same reading."""
        uid = instance_uid(self.source, self.reading.model, _KIND, what)
        when = taken(self.source)
        return {
            "resourceType": kind,
            "id": _id(uid),
            "identifier": [_identifier(uid)],
            # Nobody has verified it.
            "status": "preliminary",
            **({"subject": self.subject} if self.subject else {}),
            # The device's clock has no time zone, which FHIR wants of a time.
            **({"effectiveDateTime": when.date().isoformat()} if when else {}),
            **elements,
        }

    def observation(self, question: Concept, **answer: Any) -> Resource:
        return self.resource(
            "Observation",
            question.value,
            contained=[_study(self)],
            code=_concept(question),
            **answer,
            device={"reference": self.device},
            derivedFrom=[{"reference": f"#{_CONTAINED_STUDY}"}],
        )


def _entry(resource: Resource) -> Resource:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {
        "fullUrl": f"urn:uuid:{resource['id']}",
        "resource": resource,
        "request": {"method": "PUT", "url": url},
    }


def _device(reading: Reading) -> Resource:
    """The model, as results in DICOM name it among the contributing equipment."""
    model, uid = reading.model, device_uid(reading.model)
    notes = [FOR_RESEARCH, *([f"It reads by {_site(model.profile)}."] if model.profile else [])]
    return {
        "resourceType": "Device",
        "id": _id(uid),
        "identifier": [_identifier(uid)],
        "manufacturer": PRODUCT,
        "serialNumber": model.digest,
        "deviceName": [{"name": model.name, "type": "model-name"}],
        "version": [{"value": str(model.version)}],
        "note": [{"text": text} for text in notes],
    }


def _site(profile: SiteProfile) -> str:
    return f"the site profile of {profile.created:%Y-%m-%d} with the SHA-256 {profile.digest}"


def _finding(about: _About) -> Resource:
    reading = about.reading
    notes = [
        FOR_RESEARCH,
        # Not of the Device, which stays the same when the program changes.
        f"Written by {software()}.",
        f"{PREDICTION_SET}{', '.join(reading.prediction_set)}",
    ]
    notes += [f"Warning: {code}" for code in reading.warnings]
    return about.observation(
        PNEUMONIA,
        valueCodeableConcept=_concept(FINDINGS[reading.label]),
        note=[{"text": text} for text in notes],
    )


def _probability(about: _About) -> Resource:
    notes = ["Calibrated probability of pneumonia, whatever the finding is."]
    if profile := about.reading.model.profile:
        notes.append(
            f"For a prevalence of pneumonia of {profile.prevalence:g}, by {_site(profile)}."
        )
    return about.observation(
        PROBABILITY,
        valueQuantity=_number(round(about.reading.probability, _DECIMALS)),
        note=[{"text": text} for text in notes],
        referenceRange=[{"high": _number(about.reading.threshold), "text": "below the threshold"}],
    )


def _review(about: _About) -> Resource:
    question, answer = REVIEW
    return about.observation(
        question,
        valueCodeableConcept=_concept(answer),
        note=[{"text": f"Reason for review: {code}"} for code in about.reading.reasons],
    )


def _report(about: _About, found: list[Resource]) -> Resource:
    reading = about.reading
    finding = f"Pneumonia: {FINDINGS[reading.label].meaning.lower()}"
    study = {"type": "ImagingStudy", "identifier": _identifier(about.source.StudyInstanceUID)}
    order = about.source.get("AccessionNumber")
    return about.resource(
        "DiagnosticReport",
        "report",
        **({"basedOn": [_accession(order)]} if order else {}),
        category=[_coded("http://terminology.hl7.org/CodeSystem/v2-0074", "RAD", "Radiology")],
        code=_concept(CHEST_RADIOGRAPHY),
        imagingStudy=[study],
        result=[{"reference": f"urn:uuid:{one['id']}"} for one in found],
        conclusion=f"{finding}, probability {reading.probability:.3f}. {FOR_RESEARCH}",
    )


def _accession(number: str) -> Resource:
    kind = _coded("http://terminology.hl7.org/CodeSystem/v2-0203", "ACSN", "Accession ID")
    return {"type": "ServiceRequest", "identifier": {"type": kind, "value": number}}


def _study(about: _About) -> Resource:
    """The image's study, as far as an Observation has to name the image in it."""
    source = about.source
    sop_class = UID(source.SOPClassUID)
    instance = {
        "uid": source.SOPInstanceUID,
        "sopClass": {"system": "urn:ietf:rfc:3986", "code": f"urn:oid:{sop_class}"},
    }
    series = {
        "uid": source.SeriesInstanceUID,
        "modality": {"system": _SYSTEMS["DCM"], "code": _MODALITIES.get(sop_class, "OT")},
        "instance": [instance],
    }
    return {
        "resourceType": "ImagingStudy",
        "id": _CONTAINED_STUDY,
        "status": "available",
        "identifier": [_identifier(source.StudyInstanceUID)],
        "subject": about.subject or {"display": "unknown"},
        "series": [series],
    }


def _concept(code: Concept) -> Resource:
    return _coded(_SYSTEMS[code.scheme_designator], code.value, code.meaning)


def _coded(system: str, code: str, display: str) -> Resource:
    return {"coding": [{"system": system, "code": code, "display": display}]}


def _number(value: float) -> Resource:
    return {"value": value, "system": _UCUM, "code": "1"}


def _identifier(uid: str) -> Resource:
    return {"system": _DICOM_UID, "value": f"urn:oid:{uid}"}


def _id(uid: UID) -> str:
    """The UUID that a UID under 2.25 was made of."""
    return str(uids.uuid_of(uid))
