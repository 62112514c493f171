"""A worklist of Unified Procedure Steps, asked over DICOMweb by a performer (PS3.18, 11)."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import requests
from pydicom import Dataset

from app.errors import FailedError, UnreachableError
from app.host import process
from app.pacs.web import posting
from app.pacs.web.claims import Claims
from app.pacs.web.dicomweb import JSON, errors, open_session
from app.pacs.web.search import datasets, everything

SCHEDULED, IN_PROGRESS = "SCHEDULED", "IN PROGRESS"
COMPLETED, CANCELED = "COMPLETED", "CANCELED"
_WHO = "The worklist manager"
_NOT_READ = f"{_WHO} gave no answer that can be read."
# PS3.18, 11.5.3 to 11.7.3: the workitem is another's, is in a final state, or is no more. What
# another's claim is answered with differs between them, and between managers.
_FINAL = (HTTPStatus.BAD_REQUEST, HTTPStatus.NOT_FOUND, HTTPStatus.CONFLICT, HTTPStatus.GONE)
_NO_SUCH_PATH = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)


class Worklist:
    """The workitems of a manager.

    Workitems are named by their SOP Instance UIDs.
    """

    def __init__(self, url: str, station: str, claims: Claims) -> None:
        """Prepare to ask; nothing is sent yet.

        Args:
            url: the service's base URL, under which `/workitems` is.
            station: who asks, at most 16 characters.
            claims: of this performer.

        Raises:
            ValueError: it is no URL of a service.
        """
        process.accept_invalid_values()
        self._session = open_session(url)
        self._url, self._station, self._claims = f"{url.rstrip('/')}/workitems", station, claims

    def search(
        self, state: str, matching: Mapping[str, str], keywords: Sequence[str]
    ) -> list[Dataset]:
        """The workitems in a state (11.9); a manager may give others, too.

        Args:
            state: Procedure Step State.
            matching: what they are to match, by attribute.
            keywords: of the attributes to ask for, SOPInstanceUID first.

        Raises:
            UnreachableError: the manager does not answer, or with an error.
        """
        query = {"ProcedureStepState": state, **matching}

        def page(fields: Sequence[str], offset: int) -> list[dict[str, Any]]:
            asked = {**query, "includefield": list(fields), "offset": offset}
            answer = posting.send(self._session, "GET", self._url, _WHO, (), params=asked)
            return _listed(answer)

        return datasets(everything(page, keywords, _WHO), keywords, _WHO)

    def claim(self, workitem: str) -> None:
        """Have a scheduled workitem be in progress, and this performer's (11.7).

        Raises:
            RefusedError: it is not scheduled any more.
            UnreachableError: the manager does not answer, or with an error. It may be claimed.
        """
        self._change(workitem, IN_PROGRESS)

    def go_on(self, workitem: str) -> None:
        """Pass where a workitem in progress is this performer's: only then may it be updated.

        Raises:
            RefusedError: it is another's, or not in progress any more.
            UnreachableError: the manager does not answer, or with an error.
        """
        progress, changes = Dataset(), Dataset()
        progress.ProcedureStepProgress = 0
        changes.ProcedureStepProgressInformationSequence = [progress]
        self._update(workitem, changes)

    def retrieve(self, workitem: str, keywords: Sequence[str]) -> Dataset:
        """The contents of a workitem (11.5), but for attributes that nobody asked for.

        Raises:
            RefusedError: there is no such workitem.
            UnreachableError: the manager does not answer, or with an error.
        """
        answer = posting.send(self._session, "GET", f"{self._url}/{workitem}", _WHO, _FINAL)
        if len(listed := _listed(answer)) != 1:
            raise UnreachableError(_NOT_READ)
        return datasets(listed, keywords, _WHO)[0]

    def end(self, workitem: str, state: str, changes: Dataset) -> None:
        """Update a workitem of this performer's, and have it be in a final state (11.6, 11.7).

        Args:
            workitem: in progress.
            state: that it gets, COMPLETED or CANCELED.
            changes: what the state requires (PS3.4, table CC.2.5-3).

        Raises:
            RefusedError: it is another's, or not in progress any more.
            UnreachableError: the manager does not answer, or with an error.
        """
        self._update(workitem, changes)
        self._change(workitem, state)

    def _update(self, workitem: str, changes: Dataset) -> None:
        # In the query as PS3.18 has it, and in the data set as PS3.4, CC.2.6.2, and some managers.
        changes.TransactionUID = transaction = self._claims.transaction(workitem)
        self._send("POST", workitem, changes, {"transaction-uid": transaction})

    def _change(self, workitem: str, state: str) -> None:
        changes = Dataset()
        changes.ProcedureStepState = state
        changes.TransactionUID = self._claims.transaction(workitem)
        path = f"{workitem}/state"
        try:
            self._send("PUT", path, changes, {"requester": self._station}, _NO_SUCH_PATH)
        except FailedError as error:
            if error.status not in _NO_SUCH_PATH:
                raise
            # dcm4chee-arc takes the performer as the last part of the path, and needs it.
            self._send("PUT", f"{path}/{quote(self._station, safe='')}", changes, {})

    def _send(
        self,
        method: str,
        path: str,
        changes: Dataset,
        query: dict[str, str],
        deferred: Sequence[int] = (),
    ) -> None:
        posting.send(
            self._session,
            method,
            f"{self._url}/{path}",
            _WHO,
            set(_FINAL) - set(deferred),
            params=query,
            data=json.dumps([changes.to_json_dict()]),
            headers={"Content-Type": JSON},
        )


def _listed(answer: requests.Response) -> list[dict[str, Any]]:
    """The objects in an answer, of which some servers give a single one without a list."""
    if not answer.content:
        return []
    with errors(_WHO):
        told = answer.json()
    listed = told if isinstance(told, list) else [told]
    if not all(isinstance(one, dict) for one in listed):
        raise UnreachableError(_NOT_READ)
    return listed
