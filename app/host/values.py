"""Values that an operator gives: what is wrong with one, and forms that several have."""

from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def wrong(message: str) -> PydanticCustomError:
    """An error that does not quote the value."""
    return PydanticCustomError("value", "{message}", {"message": message})


def is_http_url(parts: SplitResult) -> bool:
    """Whether a URL names a service to which paths may be added."""
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not parts.query


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    if not is_http_url(parts) or parts.username is not None:
        raise wrong("It is an http(s) URL, without credentials and query")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
"""Where a service is. Credentials come from the environment."""
