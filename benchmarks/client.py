"""Ask a contestant once."""

import json
import time
from collections.abc import Callable
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Any

from benchmarks.errors import BenchmarkError
from benchmarks.uploads import CONTENT_TYPE, Upload

HOST = "127.0.0.1"
# What servers answer while they start.
_NOT_YET = (HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)
_PAUSE = 0.02


class NotYetError(BenchmarkError):
    """The server is not listening, or not ready."""


def ask(port: int, path: str, upload: Upload, timeout: float = 60) -> float:
    """The probability of pneumonia that the server on `port` answers, within `timeout` seconds.

    Raises:
        NotYetError: no answer, or status 404 or 503.
        BenchmarkError: another status than 200, or an answer without a probability.
    """
    connection = HTTPConnection(HOST, port, timeout=timeout)
    try:
        connection.request("POST", path, upload.body, {"Content-Type": CONTENT_TYPE})
        response = connection.getresponse()
        status, body = response.status, response.read()
    except (OSError, HTTPException) as error:
        raise NotYetError(f"{path} gave no answer: {error!r}.") from error
    finally:
        connection.close()
    if status != HTTPStatus.OK:
        kind = NotYetError if status in _NOT_YET else BenchmarkError
        raise kind(f"{path} answered {status}: {body[:200].decode(errors='replace')}")
    return _probability(body)


def ask_until(
    deadline: float,
    port: int,
    path: str,
    upload: Upload,
    timeout: float = 60,
    ended: Callable[[], bool] = lambda: False,
) -> float:
    """As `ask`, and again for as long as there is no answer yet.

    Args:
        deadline: by `time.monotonic`.
        port: as for `ask`, and so are `path`, `upload` and `timeout`.
        ended: whether there will be none.

    Raises:
        NotYetError: the server has ended, or the deadline has passed.
        BenchmarkError: as `ask` does.
    """
    while True:
        try:
            return ask(port, path, upload, timeout)
        except NotYetError:
            if ended() or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)


def _probability(body: bytes) -> float:
    """The probability in an object, or in a list of one, which is how BentoML answers."""
    try:
        answer: Any = json.loads(body)
        if isinstance(answer, list):
            (answer,) = answer
        return float(answer["probability"])
    except (KeyError, TypeError, ValueError) as error:
        raise BenchmarkError(f"An answer without a probability: {body[:200]!r}.") from error
