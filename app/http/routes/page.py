"""`GET /`: the page to drop X-rays on, from files beside the code.

All addresses in it are relative, as in `/docs`. The browser is told to run nothing but these files,
to ask nobody but this service, and to show the page within no other.
"""

from importlib import resources

from fastapi import APIRouter
from starlette.responses import Response

router = APIRouter(include_in_schema=False)

_FILES = resources.files("app.http") / "page"
_INDEX = "index.html"
_MEDIA_TYPES = {
    ".html": "text/html",
    ".css": "text/css",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # So that an update of the service is an update of the page.
    "Cache-Control": "no-cache",
}


def _add(path: str, name: str) -> None:
    content = (_FILES / name).read_bytes()
    media_type = _MEDIA_TYPES[name[name.rindex(".") :]]

    @router.get(path)
    async def file() -> Response:
        return Response(content, headers=_HEADERS, media_type=media_type)


_add("/", _INDEX)
for _file in _FILES.iterdir():
    if _file.name != _INDEX:
        _add(f"/page/{_file.name}", _file.name)
