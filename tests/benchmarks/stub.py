"""A server as a contestant is one, that answers without a model.

`python -m tests.benchmarks.stub PORT MODE`, where MODE is `ok`, `late` (404 at first), `broken`
(422), `wordless` (no probability), `list` (as BentoML answers) or `dead` (ends at once).
"""

import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

ANSWERS = {
    "ok": (200, b'{"label": "NORMAL", "probability": 0.25}'),
    "list": (200, b'[{"label": "NORMAL", "probability": 0.25}]'),
    "late": (200, b'{"label": "NORMAL", "probability": 0.25}'),
    "broken": (422, b"no field named file"),
    "wordless": (200, b'{"label": "NORMAL"}'),
}


class Handler(BaseHTTPRequestHandler):
    mode = ""
    requests = 0

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        status, body = ANSWERS[self.mode]
        if self.mode == "late" and self.requests < 2:
            status, body = 404, b"not yet"
        Handler.requests += 1
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port, Handler.mode = int(sys.argv[1]), sys.argv[2]
    if Handler.mode == "dead":
        sys.exit("the model is missing")
    HTTPServer(("127.0.0.1", port), Handler).serve_forever()
