"""A stub of a manager of a worklist (UPS-RS), no real one: strict in what it lets a performer do.

It has the states of PS3.4, table CC.1.1-2, and what a final state requires by table CC.2.5-3.
"""

import base64
import json
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from pydicom import Dataset
from pydicom.datadict import tag_for_keyword
from pydicom.uid import generate_uid

from benchmarks.ports import free_port
from tests.app.http_stub import Quiet, answering
from tests.app.pacs.network import LOCALHOST
from tests.app.pacs.orthanc import PASSWORD, USER

JSON = "application/dicom+json"
_FINAL = ("COMPLETED", "CANCELED")
_PATIENT = {"PatientName": "Müller^Jörg", "PatientID": "4711", "PatientBirthDate": "19600229"}
# Not to be changed by a performer (the column of N-SET).
_NOT_ALLOWED = ("SOPClassUID", "SOPInstanceUID", "ProcedureStepState", *_PATIENT)
Answer = tuple[int, str]


@dataclass
class Workitem:
    """A workitem of the stub.

    Attributes:
        state: Procedure Step State.
        contents: the other attributes.
        transaction: the Transaction UID of the claim.
    """

    state: str
    contents: Dataset
    transaction: str | None = None


def code(value: str, scheme: str = "99LOCAL") -> Dataset:
    """An item of a sequence of codes."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, scheme, f"of {value}"
    return item


def images(*files: Dataset) -> list[Dataset]:
    """The Input Information Sequence of images, an item for each."""
    items = []
    for file in files:
        one, item = Dataset(), Dataset()
        one.ReferencedSOPClassUID = file.SOPClassUID
        one.ReferencedSOPInstanceUID = file.SOPInstanceUID
        item.TypeOfInstances = "DICOM"
        item.StudyInstanceUID, item.SeriesInstanceUID = (
            file.StudyInstanceUID,
            file.SeriesInstanceUID,
        )
        item.ReferencedSOPSequence = [one]
        items.append(item)
    return items


class UpsStub:
    """Holds workitems, or answers as it is told.

    Attributes:
        workitems: by their UIDs.
        changes: each change of a state, as UID and new state.
        faster: workitems that another performer claims just before anybody here does.
        statuses: by method, that are answered instead.
        body: of every answer to a GET, instead of the one that it should be.
        requester_in_path: whether the performer is a part of the path, and the Transaction UID of
            the data set counts, as with dcm4chee-arc by its documentation.
        requests: method and path of each.
        port: where it listens, now or later.
    """

    def __init__(self) -> None:
        self.workitems: dict[str, Workitem] = {}
        self.changes: list[tuple[str, str]] = []
        self.faster: set[str] = set()
        self.statuses: dict[str, int] = {}
        self.body: bytes | None = None
        self.requester_in_path = False
        self.requests: list[tuple[str, str]] = []
        self.port = free_port()
        self._lock = threading.Lock()

    @property
    def url(self) -> str:
        return f"http://{LOCALHOST}:{self.port}/worklist/rs"

    def schedule(self, inputs: Sequence[Dataset], **attributes: Any) -> str:
        """Have a workitem scheduled, as a task requestor does; returns its UID."""
        contents, uid = Dataset(), generate_uid()
        contents.SOPInstanceUID = uid
        contents.InputReadinessState = "READY"
        contents.ScheduledProcedureStepPriority = "MEDIUM"
        contents.ScheduledProcedureStepStartDateTime = "20260301120000"
        contents.ScheduledStationNameCodeSequence = [code("PNEUMOSCOPE")]
        contents.ScheduledWorkitemCodeSequence = [code("CXR")]
        contents.InputInformationSequence = list(inputs)
        for keyword, value in (_PATIENT | attributes).items():
            setattr(contents, keyword, value)
        self.workitems[uid] = Workitem("SCHEDULED", contents)
        return uid

    def states(self) -> list[str]:
        """Those of all workitems, in the order in which they were scheduled."""
        return [workitem.state for workitem in self.workitems.values()]

    @contextmanager
    def listening(self) -> Iterator["UpsStub"]:
        stub = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                self._answer()

            def do_POST(self) -> None:
                self._answer()

            def do_PUT(self) -> None:
                self._answer()

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, said = stub.answer(self.command, self.path, dict(self.headers), body)
                content = said.encode() if status == 200 and self.command == "GET" else b""
                self.send_response(status)
                if said and not content:
                    self.send_header("Warning", f"299 stub: {said}")
                if status == 307:
                    self.send_header("Location", f"{stub.url}/elsewhere")
                if status != 204:
                    self.send_header("Content-Type", f"{JSON}; charset=utf-8")
                    self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        with answering(Handler, self.port):
            yield self

    def answer(self, method: str, target: str, headers: dict[str, str], body: bytes) -> Answer:
        """The status, and what is said."""
        place = urlsplit(target)
        with self._lock:
            self.requests.append((method, place.path))
            if method in self.statuses:
                return self.statuses[method], ""
            if headers.get("Authorization") != _basic():
                return 401, ""
            return self._answer(method, place.path, parse_qs(place.query), headers, body)

    def _answer(
        self,
        method: str,
        path: str,
        query: dict[str, list[str]],
        headers: dict[str, str],
        body: bytes,
    ) -> Answer:
        root, _, rest = path.partition("/workitems")
        _, *parts = map(unquote, rest.split("/"))
        if root != "/worklist/rs":
            return 404, ""
        if method == "GET":
            if headers.get("Accept") != JSON:
                return 406, ""
            return self._listed(query) if not parts else self._retrieved(parts)
        if headers.get("Content-Type") != JSON:
            return 415, ""
        [changes] = map(Dataset.from_json, json.loads(body))
        if self.requester_in_path:
            requester, transaction = parts[2:], [str(changes.get("TransactionUID"))]
        else:
            requester, transaction = query.get("requester", []), query.get("transaction-uid", [])
        if method == "PUT" and parts[1:2] == ["state"] and requester:
            return self._changed(parts[0], changes)
        is_update = method == "POST" and len(parts) == 1
        return self._updated(parts[0], changes, transaction) if is_update else (404, "")

    def _listed(self, query: dict[str, list[str]]) -> Answer:
        if self.body is not None:
            return 200, self.body.decode()
        [offset] = query.pop("offset", ["0"])
        keywords = query.pop("includefield", [])
        found = [
            self._told(workitem, ("SOPInstanceUID", "ProcedureStepState", *keywords))
            for workitem in self.workitems.values()
            if all(_value(workitem, key) == values for key, values in query.items())
        ][int(offset) :]
        return (200, json.dumps(found)) if found else (204, "")

    def _retrieved(self, parts: list[str]) -> Answer:
        if self.body is not None:
            return 200, self.body.decode()
        workitem = self.workitems.get("/".join(parts))
        return (404, "") if workitem is None else (200, json.dumps([self._told(workitem)]))

    def _told(self, workitem: Workitem, keywords: Sequence[str] | None = None) -> dict[str, Any]:
        told = Dataset.from_json(workitem.contents.to_json())
        told.ProcedureStepState = workitem.state
        every: dict[str, Any] = told.to_json_dict()
        if keywords is None:
            return every
        tags = {f"{tag_for_keyword(keyword):08X}" for keyword in keywords}
        return {tag: element for tag, element in every.items() if tag in tags}

    def _updated(self, uid: str, changes: Dataset, transaction: Sequence[str]) -> Answer:
        if (workitem := self.workitems.get(uid)) is None:
            return 404, ""
        if workitem.state in _FINAL:
            return 400, "The submitted request is inconsistent with the current state."
        if workitem.state != "IN PROGRESS":
            return 409, "The target URI did not reference a claimed Workitem."
        if list(transaction) != [workitem.transaction]:
            return 400, "The Transaction UID is incorrect."
        if any(keyword in changes for keyword in _NOT_ALLOWED):
            return 400, "The data set does not conform."
        changes.pop("TransactionUID", None)
        workitem.contents.update(changes)
        return 200, ""

    def _changed(self, uid: str, changes: Dataset) -> Answer:
        if (workitem := self.workitems.get(uid)) is None:
            return 404, ""
        state, transaction = changes.get("ProcedureStepState"), changes.get("TransactionUID")
        if len(changes) != 2 or not state or not transaction:
            return 400, "The Transaction UID is missing."
        if uid in self.faster:
            workitem.state, workitem.transaction = "IN PROGRESS", "1.2.3"
        if workitem.state == state and state in _FINAL:
            return 200, f"The UPS is already in the requested state of {state}."
        if workitem.state == "IN PROGRESS" and transaction != workitem.transaction:
            return 400, "The Transaction UID is incorrect."
        if not _may_become(workitem, state):
            return 409, "The submitted request is inconsistent with the state."
        workitem.state, workitem.transaction = state, str(transaction)
        self.changes.append((uid, state))
        return 200, ""


def _basic() -> str:
    return f"Basic {base64.b64encode(f'{USER}:{PASSWORD}'.encode()).decode()}"


def _value(workitem: Workitem, key: str) -> list[str]:
    if key == "ProcedureStepState":
        return [workitem.state]
    sequence, _, keyword = key.partition(".")
    return [str(item[keyword].value) for item in workitem.contents.get(sequence, [])]


def _may_become(workitem: Workitem, state: str) -> bool:
    if workitem.state == "SCHEDULED":
        return state == "IN PROGRESS"
    return workitem.state == "IN PROGRESS" and state in _FINAL and _meets(workitem.contents, state)


def _meets(contents: Dataset, state: str) -> bool:
    """Whether a workitem may be in a final state."""
    if state == "CANCELED":
        [progress] = contents.get("ProcedureStepProgressInformationSequence", [Dataset()])
        reasons = progress.get("ProcedureStepDiscontinuationReasonCodeSequence")
        return bool(reasons) and all(map(_is_code, reasons))
    [performed] = contents.get("UnifiedProcedureStepPerformedProcedureSequence", [Dataset()])
    stations, workitems = (
        performed.get(f"Performed{what}CodeSequence") for what in ("StationName", "Workitem")
    )
    moments = [performed.get(f"PerformedProcedureStep{end}DateTime") for end in ("Start", "End")]
    return (
        bool(stations and workitems and all(moments))
        and all(map(_is_code, [*stations, *workitems]))
        and "OutputInformationSequence" in performed
    )


def _is_code(item: Dataset) -> bool:
    return bool(item.CodeValue and item.CodingSchemeDesignator and item.CodeMeaning)
