"""`GET /docs`: Swagger UI, from files of a package, since hospitals have no internet.

All addresses in the page are relative: it works under whichever name, scheme and path a proxy has
for it, and nothing of a request gets into it.
"""

from importlib import resources

from fastapi import APIRouter, Request
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)

_FILES = resources.files("fastapi_swagger") / "resources"
_SCRIPT, _STYLE, _ICON = "swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"
_MEDIA_TYPES = {_SCRIPT: "text/javascript", _STYLE: "text/css", _ICON: "image/png"}
_PARAMETERS = {"tryItOutEnabled": True, "filter": True, "displayRequestDuration": True}


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    """The page."""
    return get_swagger_ui_html(
        title=request.app.title,
        openapi_url="openapi.json",
        swagger_js_url=f"swagger/{_SCRIPT}",
        swagger_css_url=f"swagger/{_STYLE}",
        swagger_favicon_url=f"swagger/{_ICON}",
        swagger_ui_parameters=_PARAMETERS,
    )


def _add_file(name: str, media_type: str) -> None:
    @router.get(f"/swagger/{name}")
    async def file() -> Response:
        return Response((_FILES / name).read_bytes(), media_type=media_type)


for _name, _media_type in _MEDIA_TYPES.items():
    _add_file(_name, _media_type)
