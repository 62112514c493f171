"""Which radiographs a PACS holds, by QIDO-RS, and the images themselves, by WADO-RS (PS3.18)."""

from collections.abc import Sequence
from datetime import date
from functools import partial
from http import HTTPStatus
from io import BytesIO

from pydicom import Dataset, dcmwrite

from app.dicom_results.instance import is_own, is_own_series
from app.dicom_results.structured_report import report_uid
from app.errors import FailedError, MissingError, UnreachableError, UnreadableImageError
from app.host import process
from app.imaging.dicom.read import SOP_CLASSES
from app.imaging.errors import SHORTAGES
from app.pacs.web.dicomweb import PACS, connect, errors
from app.pacs.web.search import datasets, everything
from app.reading.model import Model

_STUDY = ("StudyInstanceUID", "NumberOfStudyRelatedInstances")
_SERIES = ("SeriesInstanceUID", "Modality", "Manufacturer")
_INSTANCE = ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "NumberOfFrames")


class Archive:
    """A PACS that is asked over DICOMweb.

    Attributes:
        url: the service's base URL, without a slash at its end.
    """

    def __init__(self, url: str) -> None:
        """Prepare to ask; nothing is sent yet.

        Raises:
            ValueError: it is no URL of a service.
        """
        process.accept_invalid_values()
        self.url = url.rstrip("/")
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
                items = everything(search, _STUDY, PACS)
            for study in datasets(items, _STUDY, PACS):
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
                series = everything(partial(self._client.search_for_series, study), _SERIES, PACS)
                items = everything(
                    partial(self._client.search_for_instances, study), _INSTANCE, PACS
                )
        except FailedError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            series, items = [], []
        if not items:
            raise LookupError("The PACS has no such study.")
        wanted = {
            one.get("SeriesInstanceUID")
            for one in datasets(series, _SERIES, PACS)
            if one.get("Modality") in modalities
            and not is_own(one)
            and not is_own_series(study, one.get("SeriesInstanceUID"), model.manifest)
        }
        instances = datasets(items, _INSTANCE, PACS)
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
            MissingError: the PACS has no such image.
            UnreachableError: the PACS does not answer, or with an error.
        """
        try:
            with errors():
                dataset = self._client.retrieve_instance(
                    image.StudyInstanceUID, image.SeriesInstanceUID, image.SOPInstanceUID
                )
            file = BytesIO()
            dcmwrite(file, dataset)
        except FailedError as error:
            if error.status in (HTTPStatus.NOT_FOUND, HTTPStatus.GONE):
                raise MissingError(error.status) from error
            raise
        except (UnreachableError, *SHORTAGES):
            raise
        # pydicom answers malformed bytes with errors of many types.
        except Exception as error:
            raise UnreadableImageError("The DICOM file is broken or truncated.") from error
        return None if is_own(dataset) else file.getvalue()


def _is_image(instance: Dataset) -> bool:
    return instance.get("SOPClassUID") in SOP_CLASSES and (instance.get("NumberOfFrames") or 1) == 1
