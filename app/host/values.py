"""Values that an operator gives: what is wrong with one, and forms that several have."""

from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError


def wrong(message: str) -> PydanticCustomError:
    """An error that does not quote the value."""
    return PydanticCustomError("value", "{message}", {"message": message})


def _http_url(value: str) -> str:
    parts = urlsplit(value)
    is_url = parts.scheme in ("http", "https") and parts.hostname and not parts.query
    if not is_url or parts.username is not None:
        raise wrong("It is an http(s) URL, without credentials and query")
    return value


HttpUrl = Annotated[str, AfterValidator(_http_url)]
"""Where a service is. Credentials come from the environment."""
