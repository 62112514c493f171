"""What uvicorn writes of requests into its log, kept out of it: paths, queries, addresses.

`pneumoscope serve` asks for no such lines. Whoever starts `app.main:app` with uvicorn gets them by
default, and a query or a path may name a patient.
"""

import logging

# All of the one's lines are of requests, and of the other's, which are there at level trace only.
_OF_REQUESTS = ("uvicorn.access", "uvicorn.asgi")
# It tells of the process too, which is to be read, and of WebSockets, with their paths.
_OF_BOTH = "uvicorn.error"


def keep_requests_out() -> None:
    """Have uvicorn log nothing of requests in this process, whatever its options say."""
    for name in _OF_REQUESTS:
        logging.getLogger(name).addFilter(_nothing)
    logging.getLogger(_OF_BOTH).addFilter(_no_web_socket)


def _nothing(record: logging.LogRecord) -> bool:
    return False


def _no_web_socket(record: logging.LogRecord) -> bool:
    """Whether a line comes from elsewhere than uvicorn's modules and libraries for WebSocket."""
    return not any(word in record.pathname for word in ("websocket", "wsproto"))
