"""What operators ask: `GET /live`, `/ready`, `/model` and `/metrics`."""

from fastapi import APIRouter
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from starlette.responses import Response

from app.http import schemas
from app.http.routes.parts import (
    MetricsDependency,
    ReaderDependency,
    json_response,
    problem_responses,
)

router = APIRouter(tags=["service"])


@router.get("/live", summary="Is the process up?", response_model=schemas.Status)
async def live() -> Response:
    """Answers as long as the process can."""
    return json_response(schemas.Status(status="live"))


@router.get(
    "/ready",
    summary="Is the model loaded and warmed up?",
    response_model=schemas.Status,
    responses=problem_responses(503),
)
async def ready(reader: ReaderDependency) -> Response:
    """503 until a warm-up inference has passed."""
    reader.check_ready()
    return json_response(schemas.Status(status="ready"))


@router.get("/model", summary="What answers here?", response_model=schemas.ModelAtSite)
async def model(reader: ReaderDependency) -> Response:
    """The manifest of the model, with the digests of its files, and the site profile."""
    return json_response(schemas.model_at_site(reader.model))


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics(metrics: MetricsDependency) -> Response:
    """The metrics in Prometheus' text format."""
    return Response(generate_latest(metrics.registry), media_type=CONTENT_TYPE_LATEST)
