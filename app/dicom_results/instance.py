"""What every result has in common: its place in the study, who made it, when, and as a file."""

from datetime import datetime
from importlib.metadata import version
from io import BytesIO
from itertools import product
from typing import Any

from highdicom import ContributingEquipment
from pydicom import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID

from app.dicom_results import uids
from app.dicom_results.identity import carry
from app.dicom_results.kinds import KINDS
from app.dicom_results.source import Source, taken
from app.reading.model import Model
from model_store.manifest import Manifest

PRODUCT = "pneumoscope"
FOR_RESEARCH = "For research use only: not a medical device."

_LONG_STRING = 64
# As many earlier versions of the model as are known for its own, and later ones, from which one may
# have gone back.
_VERSIONS, _LATER_VERSIONS = 100, 10
# The library notes the time of the call in these. They may be left out, and without them the
# object that has the same UID also has the same bytes.
_NOW = (
    "InstanceCreationDate",
    "InstanceCreationTime",
    "DateOfSecondaryCapture",
    "TimeOfSecondaryCapture",
)


def place(
    source: Dataset, model: Model, kind: str, series_number: int, *parts: str
) -> dict[str, Any]:
    """The arguments that place an instance in the source's study, in a series of its own.

    All results of one kind that one model version gives about a study share a series.

    Args:
        source: the header of the image that was read.
        model: that read it.
        kind: what the series holds, in a word or two.
        series_number: of the kind.
        parts: what else tells the instance from others of its kind about the same image.

    Returns:
        Keyword arguments of `highdicom.base.SOPClass`.
    """
    name = _name(model.manifest)
    uid = instance_uid(source, model, kind, *parts)
    moment = _moment(source, model)
    return {
        "series_instance_uid": _series_uid(kind, name, str(source.StudyInstanceUID)),
        "series_number": series_number,
        "series_description": f"For research use: {PRODUCT} {kind}, {name}"[:_LONG_STRING],
        "sop_instance_uid": uid,
        "instance_number": uids.number(uid),
        "manufacturer": PRODUCT,
        "manufacturer_model_name": name[:_LONG_STRING],
        "software_versions": software(),
        "content_qualification": "RESEARCH",
        "content_date": moment.date(),
        "content_time": moment.time(),
        "contributing_equipment": [_equipment(model)],
    }


def instance_uid(source: Dataset, model: Model, kind: str, *parts: str) -> UID:
    """The UID of the instance that `place` places; of the source, it needs no more than UIDs.

    Under another site profile the same image may have another answer, and so another instance.
    """
    study, image = str(source.StudyInstanceUID), str(source.SOPInstanceUID)
    if model.profile_digest:
        parts = *parts, model.profile_digest
    return uids.derive(kind, _name(model.manifest), software(), study, image, *parts)


def is_own(dataset: Dataset) -> bool:
    """Whether an object is a result of this program, by its Manufacturer."""
    return str(dataset.get("Manufacturer", "")) == PRODUCT


def is_own_series(study: str, series: str | None, manifest: Manifest) -> bool:
    """Whether a series of a study holds results, of this model or of another version of it.

    A copy may have another Manufacturer, as some archives put themselves there; UIDs stay.
    """
    latest = manifest.version + _LATER_VERSIONS
    versions = range(latest, max(0, manifest.version - _VERSIONS), -1)
    return series in {
        _series_uid(kind, _name(manifest, version), study)
        for kind, version in product(KINDS, versions)
    }


def to_file(instance: Dataset, source: Source) -> bytes:
    """A result as a DICOM file (PS3.10), for the patient and the study of its source."""
    for keyword in _NOW:
        if keyword in instance:
            delattr(instance, keyword)
    # The library adds itself, and would pass for the algorithm that the result is from.
    instance.ContributingEquipmentSequence = [
        item for item in instance.ContributingEquipmentSequence if item.Manufacturer == PRODUCT
    ]
    carry(instance, source.as_it_came)
    file = BytesIO()
    instance.save_as(file, enforce_file_format=True)
    return file.getvalue()


def device_uid(model: Model) -> UID:
    """The UID of a model version as a device. Each site profile has another: its answers differ.

    The program's version is not among its parts: it is that of the equipment that writes results.
    """
    by_profile = (model.profile_digest,) if model.profile_digest else ()
    return uids.derive("device", model.name, str(model.version), *by_profile)


def _equipment(model: Model) -> ContributingEquipment:
    """The model, as IHE's profile AI Results wants the algorithm of a result named (6.5.3.1).

    What a report or a segment says of its algorithm has the same values (table 6.5.3.1-1).
    """
    equipment = ContributingEquipment(
        PRODUCT,
        codes.DCM.ProcessingEquipment,
        manufacturer_model_name=model.name[:_LONG_STRING],
        software_versions=str(model.version),
        # What tells this model from any other.
        device_serial_number=model.digest,
    )
    equipment.DeviceUID = device_uid(model)
    return equipment


def _series_uid(kind: str, name: str, study: str) -> UID:
    return uids.derive(kind, name, study)


def _name(manifest: Manifest, version: int | None = None) -> str:
    return f"{manifest.name} {version or manifest.version}"


def software() -> str:
    """The program and its version."""
    return f"{PRODUCT} {version(PRODUCT)}"


def _moment(source: Dataset, model: Model) -> datetime:
    """The earliest moment at which the result could have been made: what it is made of existed.

    Content Date is required (PS3.3, C.17.2), and the time of the call would give the same UID to
    objects that differ.
    """
    made_of = (model.manifest, model.profile) if model.profile else (model.manifest,)
    created = max(part.created.replace(tzinfo=None) for part in made_of)
    return max(created, taken(source) or created)
