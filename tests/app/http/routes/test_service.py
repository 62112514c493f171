"""What operators ask, and the documentation that needs no internet."""

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from model_store.store import ModelVersion


def test_live_and_ready(client: httpx.Client) -> None:
    assert client.get("/live").json() == {"status": "live"}
    assert client.get("/ready").json() == {"status": "ready"}


@pytest.mark.parametrize("path", ["/live", "/ready", "/model", "/metrics", "/docs"])
def test_head_is_get_without_the_body(client: httpx.Client, path: str) -> None:
    head, get = client.head(path), client.get(path)

    assert (head.status_code, head.content) == (get.status_code, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["x-request-id"]


def test_head_does_not_read(client: httpx.Client) -> None:
    assert client.head("/predict").status_code == httpx.codes.METHOD_NOT_ALLOWED


def test_model_is_the_manifest(client: httpx.Client, tiny_model: ModelVersion) -> None:
    told = tiny_model.manifest.model_dump(mode="json")
    assert client.get("/model").json() == told | {"profile": None}


def _sample(client: httpx.Client, sample_name: str, /, **labels: str) -> float:
    families = text_string_to_metric_families(client.get("/metrics").text)
    return sum(
        sample.value
        for family in families
        for sample in family.samples
        if sample.name == sample_name and labels.items() <= sample.labels.items()
    )


def test_metrics_count_what_happened(client: httpx.Client, xray: bytes) -> None:
    def counts() -> list[float]:
        return [
            _sample(client, "pneumoscope_requests_total", endpoint="/explain", status="200"),
            _sample(client, "pneumoscope_requests_total", endpoint="/explain", status="415"),
            _sample(client, "pneumoscope_request_seconds_count", endpoint="/explain"),
            _sample(client, "pneumoscope_stage_seconds_count", stage="infer"),
            _sample(client, "pneumoscope_stage_seconds_count", stage="render"),
            _sample(client, "pneumoscope_batch_size_count"),
            _sample(client, "pneumoscope_predictions_total", label="PNEUMONIA"),
            _sample(client, "pneumoscope_probability_count"),
        ]

    before = counts()
    client.post("/explain", files={"file": xray})
    client.post("/explain", files={"file": b"text"})

    assert [after - was for after, was in zip(counts(), before, strict=True)] == [
        1,
        1,
        2,
        1,
        1,
        1,
        1,
        1,
    ]


def test_metrics_tell_the_model(client: httpx.Client) -> None:
    assert _sample(client, "pneumoscope_model_info", name="pneumonia", version="1") == 1


def test_metrics_name_no_path_that_a_client_made_up(client: httpx.Client) -> None:
    client.get("/patient-jane-doe")

    assert "jane" not in client.get("/metrics").text
    assert _sample(client, "pneumoscope_requests_total", endpoint="none", status="404") >= 1


def test_openapi_offers_a_file_dialog_and_lists_the_problems(client: httpx.Client) -> None:
    description = client.get("/openapi.json").json()

    predict = description["paths"]["/predict"]["post"]
    form = predict["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["file"] == {"type": "string", "format": "binary"}
    assert {"400", "413", "415", "422", "503"} <= predict["responses"].keys()
    assert "application/problem+json" in predict["responses"]["413"]["content"]


def test_openapi_tells_the_codes_that_programs_go_by(client: httpx.Client) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]

    assert schemas["Label"]["enum"] == ["NORMAL", "PNEUMONIA", "INDETERMINATE"]
    assert {"no_lungs_found", "not_like_a_chest_xray"} <= set(schemas["WarningCode"]["enum"])
    assert {"both_labels_possible", "lungs_cut_off"} <= set(schemas["Reason"]["enum"])
    possible = schemas["Prediction"]["properties"]["prediction_set"]["items"]
    assert possible["enum"] == ["NORMAL", "PNEUMONIA"]
    assert "maps" in schemas["MappedExplanation"]["properties"]
