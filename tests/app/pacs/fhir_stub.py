"""A stub of a FHIR R4 server, no real one: strict in what it takes, and of a short memory."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from fhir.resources.R4B.bundle import Bundle

from tests.app.http_stub import Quiet, answering
from tests.app.pacs.network import LOCALHOST


class FhirStub:
    """Takes valid transactions of PUTs and nothing else, or answers as it is told.

    Attributes:
        resources: by `Type/id`, as a server would have them.
        status: of every answer that is not as it should be; None for a server that works.
        body: of every answer, instead of the one that it should be.
        requests: the headers of each.
    """

    def __init__(self) -> None:
        self.resources: dict[str, dict[str, Any]] = {}
        self.requests: list[dict[str, str]] = []
        self.status: int | None = None
        self.body: bytes | None = None
        self.url = ""

    @contextmanager
    def listening(self) -> Iterator["FhirStub"]:
        stub = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                stub.requests.append(dict(self.headers))
                status, body = stub.answer(self.path, self.headers["Content-Type"], content)
                self.send_response(status)
                self.send_header("Content-Type", "application/fhir+json")
                self.send_header("Content-Length", str(len(body)))
                if status in (301, 307):
                    self.send_header("Location", f"{stub.url}/elsewhere")
                self.end_headers()
                self.wfile.write(body)

        with answering(Handler) as port:
            self.url = f"http://{LOCALHOST}:{port}/fhir"
            yield self

    def answer(self, path: str, content_type: str, content: bytes) -> tuple[int, bytes]:
        """The status and the body for a request."""
        if self.status is not None:
            return self.status, b"{}"
        if (path, content_type) != ("/fhir", "application/fhir+json"):
            return 404, b"{}"
        try:
            Bundle.model_validate_json(content)
        except ValueError:
            return 400, b"{}"
        if json.loads(content)["type"] != "transaction":
            return 400, b"{}"
        entries = []
        for entry in json.loads(content)["entry"]:
            url, resource = entry["request"]["url"], entry["resource"]
            if entry["request"]["method"] != "PUT" or url != _place(resource):
                return 422, b"{}"
            status = "200 OK" if url in self.resources else "201 Created"
            self.resources[url] = resource
            entries.append({"response": {"status": status}})
        told = {"resourceType": "Bundle", "type": "transaction-response", "entry": entries}
        return 200, json.dumps(told).encode() if self.body is None else self.body

    def of_type(self, name: str) -> list[dict[str, Any]]:
        """The resources of a type that it holds."""
        return [one for one in self.resources.values() if one["resourceType"] == name]


def _place(resource: dict[str, Any]) -> str:
    return f"{resource['resourceType']}/{resource['id']}"
