"""Which radiographs a PACS holds, by QIDO-RS, and the images themselves, by WADO-RS (PS3.18)."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from functools import partial
from http import HTTPStatus
from io import BytesIO
from typing import Any

from pydicom import Dataset, dcmwrite
from pydicom.datadict import tag_for_keyword

from app.dicom_results.instance import is_own, is_own_series
from app.dicom_results.structured_report import report_uid
from app.errors import FailedError, UnreachableError, UnreadableImageError
from app.host import process
from app.imaging.dicom.read import SOP_CLASSES
from app.imaging.errors import SHORTAGES
from app.pacs.web.dicomweb import connect, errors
from app.reading.model import Model

_STUDY = ("StudyInstanceUID", "NumberOfStudyRelatedInstances")
_SERIES = ("SeriesInstanceUID", "Modality", "Manufacturer")
_INSTANCE = ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "NumberOfFrames")


class Archive:
    """A PACS that is asked over DICOMweb."""

    def __init__(self, url: str) -> None:
        """Prepare to ask; nothing is sent yet.

        Raises:
            ValueError: it is no URL of a service.
        """
        process.accept_invalid_values()
        self._client = connect(url)

    def studies(self, since: date, modalities: Sequence[str]) -> dict[str, int | None]:
        """The studies of a day or later that hold one of the modalities.

        Returns:
            The number of instances in each, by Study Instance UID; None where the PACS tells none.

        Raises:
            UnreachableError: the PACS does not answer, or with an error.
        """
        found: dict[str, int | None] = {}
        for modality in modalities:
            filters = {"StudyDate": f"{since:%Y%m%d}-", "ModalitiesInStudy": modality}
            with errors():
                search = partial(self._client.search_for_studies, search_filters=filters)
                items = _all(search, _STUDY)
            for study in _datasets(items, _STUDY):
                found[str(study.StudyInstanceUID)] = study.get("NumberOfStudyRelatedInstances")
        return found

    def unread(
        self, study: str, modalities: Sequence[str], model: Model, again: bool = False
    ) -> list[Dataset]:
        """The radiographs in a study that have no report of the model in it.

        Args:
            study: its Study Instance UID.
            modalities: of the series to look at.
            model: that reads them.
            again: those that have one, too.

        Returns:
            The Study, Series and SOP Instance UID of each.

        Raises:
            LookupError: there is no such study.
            UnreachableError: the PACS does not answer, or with an error.
        """
        try:
            with errors():
                series = _all(partial(self._client.search_for_series, study), _SERIES)
                items = _all(partial(self._client.search_for_instances, study), _INSTANCE)
        except FailedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            series, items = [], []
        if not items:
            raise LookupError("The PACS has no such study.")
        wanted = {
            one.get("SeriesInstanceUID")
            for one in _datasets(series, _SERIES)
            if one.get("Modality") in modalities
            and not is_own(one)
            and not is_own_series(study, one.get("SeriesInstanceUID"), model.manifest)
        }
        instances = _datasets(items, _INSTANCE)
        present = {instance.get("SOPInstanceUID") for instance in instances}
        images = [
            one for one in instances if one.get("SeriesInstanceUID") in wanted and _is_image(one)
        ]
        for image in images:
            image.StudyInstanceUID = study
        return [image for image in images if again or report_uid(image, model) not in present]

    def retrieve(self, image: Dataset) -> bytes | None:
        """The file (PS3.10) of an image, in the transfer syntax that it is stored in.

        Returns:
            None where it is a result of this program; not every PACS tells so beforehand.

        Raises:
            UnreadableImageError: it is broken.
            UnreachableError: the PACS does not answer, or with an error.
        """
        try:
            with errors():
                dataset = self._client.retrieve_instance(
                    image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID
                )
            file = BytesIO()
            dcmwrite(file, dataset)
        except (UnreachableError, *SHORTAGES):
            raise
        # pydicom answers malformed bytes with errors of many types.
        except Exception as error:
            raise UnreadableImageError("The DICOM file is broken or truncated.") from error
        return None if is_own(dataset) else file.getvalue()


def _all(
    search: Callable[..., list[dict[str, Any]]], keywords: Sequence[str]
) -> list[dict[str, Any]]:
    """All pages of a search (PS3.18, 8.3.4.4), each thing once.

    The client's own way of asking for them never ends where a PACS knows no offset. Pages repeat
    things where what they are sorted by changes meanwhile.

    Args:
        search: asks for a page.
        keywords: of the attributes to ask for, the first of which tells the things apart.
    """
    tag = _tag(keywords[0])
    found: dict[str, dict[str, Any]] = {}
    received = 0
    while True:
        page = search(fields=keywords, offset=received)
        before = len(found)
        for item in map(_object, page):
            found.setdefault(json.dumps(item.get(tag, item)), item)
        if len(found) == before:
            return list(found.values())
        received += len(page)


def _object(item: Any) -> dict[str, Any]:
    if not isinstance(item, dict):
        raise UnreachableError("The PACS gave no answer that can be read.")
    return item


def _tag(keyword: str) -> str:
    return f"{tag_for_keyword(keyword):08X}"


def _is_image(instance: Dataset) -> bool:
    return instance.get("SOPClassUID") in SOP_CLASSES and (instance.get("NumberOfFrames") or 1) == 1


def _datasets(items: Iterable[dict[str, Any]], keywords: Sequence[str]) -> list[Dataset]:
    """DICOM JSON (PS3.18, annex F), but for elements that nobody asked for."""
    tags = [_tag(keyword) for keyword in keywords]
    try:
        return [
            Dataset.from_json({tag: item[tag] for tag in tags if tag in item}) for item in items
        ]
    # As above.
    except Exception as error:
        raise UnreachableError("The PACS gave no answer that can be read.") from error
