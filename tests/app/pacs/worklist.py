"""A receiver of notices that checks them with the reference library of Standard Webhooks."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any

from standardwebhooks import Webhook, WebhookVerificationError

from benchmarks.ports import free_port
from tests.app.http_stub import Quiet, answering
from tests.app.pacs.network import LOCALHOST

SECRET = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


class Worklist:
    """Takes what has been signed with the secret, or answers as it is told.

    Attributes:
        notices: what was taken.
        status: of every answer; None to take what is signed, and refuse the rest.
        port: where it listens, now or later.
    """

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []
        self.status: int | None = None
        self.port = free_port()

    @property
    def url(self) -> str:
        return f"http://{LOCALHOST}:{self.port}/hook"

    @contextmanager
    def listening(self) -> Iterator["Worklist"]:
        worklist = self

        class Handler(Quiet, BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                content = self.rfile.read(int(self.headers["Content-Length"]))
                status = worklist.status or worklist.take(content, dict(self.headers))
                self.send_response(status)
                if status in (301, 307):
                    self.send_header("Location", f"{worklist.url}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

        with answering(Handler, self.port):
            yield self

    def take(self, content: bytes, headers: dict[str, str]) -> int:
        """The status for a notice."""
        try:
            Webhook(SECRET).verify(content, headers)
        except WebhookVerificationError:
            return 400
        notice = json.loads(content)
        assert headers["webhook-id"] == notice["id"]
        self.notices.append(notice)
        return 204
