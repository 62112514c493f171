"""What a workitem (Unified Procedure Step; PS3.3, C.30) says, and what its performer says in it."""

import re
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydicom import Dataset
from pydicom.sequence import Sequence as DicomSequence
from pydicom.sr.codedict import codes
from pydicom.sr.coding import Code

from app.dicom_results.instance import PRODUCT
from app.imaging.dicom.read import SOP_CLASSES

_STATIONS, _WORKITEMS = "ScheduledStationNameCodeSequence", "ScheduledWorkitemCodeSequence"
_CLASSES = "ScheduledStationClassCodeSequence"
_PLACES = "ScheduledStationGeographicLocationCodeSequence"
_PERSONS = "ScheduledHumanPerformersSequence"
_PRIORITY, _START = "ScheduledProcedureStepPriority", "ScheduledProcedureStepStartDateTime"
_INPUTS = "InputInformationSequence"
# What is asked for of each workitem, and of one that is claimed.
LISTED = (
    "SOPInstanceUID",
    "InputReadinessState",
    _PRIORITY,
    _START,
    _STATIONS,
    _CLASSES,
    _PLACES,
    _PERSONS,
    _WORKITEMS,
)
CLAIMED = (_INPUTS, _STATIONS, _WORKITEMS)

_UID = re.compile(r"[0-9.]{1,64}", re.ASCII)
_PRIORITIES = ("HIGH", "MEDIUM", "LOW")
_LOCAL_SCHEME = f"99{PRODUCT.upper()}"
# In the order in which they are told, the first three whatever else was stored. CID 9300.
_REASONS: dict[str, tuple[Code, str]] = {
    "missing": (codes.DCM.ObjectSetIncomplete, "An input is not in the archive."),
    "bad": (codes.DCM.ObjectsIncorrectlyFormatted, "An input cannot be read."),
    "refused": (codes.DCM.DiscontinuedForUnspecifiedReason, "The archive refused the results."),
    "not_for_the_model": (codes.DCM.ObjectTypesNotSupported, "No input is for this model."),
}


class Assignment(NamedTuple):
    """Which workitems a performer takes.

    Attributes:
        station: its code value. Those are taken that name it.
        workitem: a code value. If given, those are taken that have it, and name the station or
            nobody.
    """

    station: str
    workitem: str | None = None

    @property
    def matching(self) -> dict[str, str]:
        """What a search is to match: more than is taken, if a workitem code is given."""
        if self.workitem is None:
            return {f"{_STATIONS}.CodeValue": self.station}
        return {f"{_WORKITEMS}.CodeValue": self.workitem}

    def takes(self, workitem: Dataset) -> bool:
        """Whether a workitem, as it is listed, is for the performer, and its inputs are there."""
        stations = _values(workitem, _STATIONS)
        names_another = any(workitem.get(keyword) for keyword in (_CLASSES, _PLACES))
        is_offer = self.workitem is not None and not stations and not names_another
        return (
            _UID.fullmatch(str(workitem.get("SOPInstanceUID"))) is not None
            and workitem.get("InputReadinessState") == "READY"
            and not workitem.get(_PERSONS)
            and (self.workitem is None or self.workitem in _values(workitem, _WORKITEMS))
            and (self.station in stations or is_offer)
        )


def urgency(workitem: Dataset) -> tuple[int, str]:
    """A key by which workitems are sorted: by priority, and then by their scheduled start."""
    priority = workitem.get(_PRIORITY)
    rank = _PRIORITIES.index(priority) if priority in _PRIORITIES else len(_PRIORITIES)
    return rank, str(workitem.get(_START, ""))


def inputs(workitem: Dataset, images_of: Callable[[str], list[Dataset]]) -> list[Dataset]:
    """The images among a workitem's inputs.

    Args:
        workitem: as it is claimed.
        images_of: gives the images of a study, for inputs that do not name each with its series.

    Returns:
        The Study, Series and SOP Instance UID of each, once.

    Raises:
        ValueError: an input has no valid UID where it should.
        LookupError: the archive has no such study.
        UnreachableError: it does not answer, or with an error.
    """
    found: dict[str, Dataset] = {}
    for given in _items(workitem, _INPUTS):
        if given.get("TypeOfInstances", "DICOM") == "DICOM":
            for image in _images(given, images_of):
                found.setdefault(str(image.SOPInstanceUID), image)
    return list(found.values())


def reasons(kinds: Collection[str]) -> list[str]:
    """Why a workitem is canceled, as keys of what `ended` says; none where it is completed.

    Args:
        kinds: of the outcomes of its images.
    """
    wrong = [kind for kind in _REASONS if kind in kinds and kind != "not_for_the_model"]
    return wrong or ([] if "stored" in kinds else ["not_for_the_model"])


def said(why: Iterable[str]) -> str:
    """Why a workitem is canceled, in sentences."""
    return " ".join(_REASONS[kind][1] for kind in why)


def ended(
    workitem: Dataset,
    station: str,
    started: datetime,
    results: Iterable[Dataset],
    retrieve_url: str,
    why: Collection[str],
) -> Dataset:
    """What a workitem is updated with before it is completed or canceled (PS3.4, CC.2.5.1.1).

    Args:
        workitem: as it was claimed.
        station: the performer's code value.
        started: when, in a time zone.
        results: the UIDs of what was stored.
        retrieve_url: of the archive, for WADO-RS.
        why: it is canceled, as `reasons` says it.
    """
    now = datetime.now(UTC)
    performed = Dataset()
    performed.PerformedStationNameCodeSequence = _own(workitem, station)
    performed.PerformedWorkitemCodeSequence = list(_items(workitem, _WORKITEMS)) or [
        _item(codes.DCM.ComputerAidedDetection)
    ]
    performed.PerformedProcedureStepStartDateTime = _moment(started)
    performed.PerformedProcedureStepEndDateTime = _moment(now)
    performed.OutputInformationSequence = list(_outputs(results, retrieve_url))
    progress = Dataset()
    if why:
        progress.ProcedureStepCancellationDateTime = _moment(now)
        progress.ReasonForCancellation = said(why)
        progress.ProcedureStepDiscontinuationReasonCodeSequence = [
            _item(_REASONS[kind][0]) for kind in why
        ]
    else:
        progress.ProcedureStepProgress = 100
    changes = Dataset()
    changes.UnifiedProcedureStepPerformedProcedureSequence = [performed]
    changes.ProcedureStepProgressInformationSequence = [progress]
    return changes


def _values(workitem: Dataset, keyword: str) -> list[str]:
    """The code values of a sequence of codes."""
    return [str(code.get("CodeValue")) for code in _items(workitem, keyword)]


def _items(dataset: Dataset, keyword: str) -> Sequence[Dataset]:
    """Those of a sequence; none where a manager gives something else."""
    value = dataset.get(keyword)
    return value if isinstance(value, DicomSequence) else ()


def _images(given: Dataset, images_of: Callable[[str], list[Dataset]]) -> Iterator[Dataset]:
    """The images of an item of the inputs (PS3.3, table 10-3b)."""
    study, series = _uid(given.get("StudyInstanceUID")), given.get("SeriesInstanceUID")
    named = _items(given, "ReferencedSOPSequence")
    if series and named:
        for one in named:
            if one.get("ReferencedSOPClassUID") in SOP_CLASSES:
                image = Dataset()
                image.StudyInstanceUID, image.SeriesInstanceUID = study, _uid(series)
                image.SOPInstanceUID = _uid(one.get("ReferencedSOPInstanceUID"))
                yield image
        return
    wanted = {_uid(one.get("ReferencedSOPInstanceUID")) for one in named}
    for image in images_of(study):
        if (not series or image.SeriesInstanceUID == series) and (
            not wanted or image.SOPInstanceUID in wanted
        ):
            yield image


def _uid(value: Any) -> str:
    uid = str(value)
    if not _UID.fullmatch(uid):
        raise ValueError("An input has no valid UID.")
    return uid


def _own(workitem: Dataset, station: str) -> list[Dataset]:
    """The performer's code, as the workitem has it where it names it."""
    named = [code for code in _items(workitem, _STATIONS) if code.get("CodeValue") == station]
    return named[:1] or [_item(Code(station, _LOCAL_SCHEME, station))]


def _outputs(results: Iterable[Dataset], retrieve_url: str) -> Iterator[Dataset]:
    """An item for each series (PS3.3, table 10-3b), with where it can be retrieved."""
    by_series = defaultdict(list)
    for result in results:
        one = Dataset()
        one.ReferencedSOPClassUID = result.SOPClassUID
        one.ReferencedSOPInstanceUID = result.SOPInstanceUID
        by_series[result.StudyInstanceUID, result.SeriesInstanceUID].append(one)
    for (study, series), instances in by_series.items():
        place, output = Dataset(), Dataset()
        place.RetrieveURL = f"{retrieve_url}/studies/{study}/series/{series}"
        output.TypeOfInstances = "DICOM"
        output.StudyInstanceUID, output.SeriesInstanceUID = study, series
        output.ReferencedSOPSequence = instances
        output.WADORSRetrievalSequence = [place]
        yield output


def _item(code: Code) -> Dataset:
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator = code.value, code.scheme_designator
    item.CodeMeaning = code.meaning
    return item


def _moment(moment: datetime) -> str:
    return f"{moment:%Y%m%d%H%M%S%z}"
