from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from app.reading.drift import Quantities
from app.reading.metrics import Metrics

LABELS = {
    "pneumoscope_requests": {"endpoint", "status"},
    "pneumoscope_caller_requests": {"caller", "status"},
    "pneumoscope_request_seconds": {"endpoint"},
    "pneumoscope_stage_seconds": {"stage"},
    "pneumoscope_batch_size": set(),
    "pneumoscope_queue_depth": set(),
    "pneumoscope_connections": set(),
    "pneumoscope_connections_closed": set(),
    "pneumoscope_predictions": {"label"},
    "pneumoscope_probability": set(),
    "pneumoscope_warnings": {"code"},
    "pneumoscope_prediction_set_size": set(),
    "pneumoscope_novelty": set(),
    "pneumoscope_lung_share": set(),
    "pneumoscope_brightness": set(),
    "pneumoscope_images": {"format"},
    "pneumoscope_views": {"view"},
    "pneumoscope_age_groups": {"age_group"},
    "pneumoscope_stability_index": {"quantity"},
    "pneumoscope_reference_share": {"quantity", "bin"},
    "pneumoscope_recent_share": {"quantity", "bin"},
    "pneumoscope_problems": {"code"},
    "pneumoscope_in_flight": set(),
    "pneumoscope_in_flight_limit": set(),
    "pneumoscope_ready": set(),
    "pneumoscope_model_load_seconds": set(),
    "pneumoscope_model": {"name", "version"},
    "pneumoscope_model_changes": {"role", "result"},
    "pneumoscope_shadow_difference": {"version", "shadow"},
    "pneumoscope_shadow_changed_labels": {"version", "shadow", "from", "to"},
    "pneumoscope_shadow_dropped": {"reason"},
    "pneumoscope_build": {"version", "python"},
}


def touched() -> Metrics:
    """Metrics of which each has a sample."""
    metrics = Metrics()
    metrics.requests.labels("/predict", "200").inc()
    metrics.caller_requests.labels("ward-7", "200").inc()
    metrics.request_seconds.labels("/predict").observe(0.02)
    metrics.stage_seconds.labels("infer").observe(0.006)
    metrics.batch_size.observe(3)
    metrics.queue_depth.set(2)
    metrics.predictions.labels("NORMAL").inc()
    metrics.probability.observe(0.05)
    metrics.warnings.labels("low_resolution").inc()
    metrics.formats.labels("PNG").inc()
    metrics.drift.compare_with({"prediction_set_size": {"1": 150, "2": 50, ">2": 0}})
    for _ in range(200):
        metrics.drift.add(Quantities(0.9, 1, None, None, None))
    metrics.model.info({"name": "pneumonia", "version": "1"})
    metrics.shadow_difference.labels("1", "2").observe(0.1)
    metrics.shadow_labels.labels("1", "2", "NORMAL", "PNEUMONIA").inc()
    return metrics


def test_names_and_labels() -> None:
    found = {
        family.name: {label for sample in family.samples for label in sample.labels} - {"le"}
        for family in touched().registry.collect()
        if not family.name.startswith("process_")
    }
    assert found == LABELS


def test_what_prometheus_reads() -> None:
    text = generate_latest(touched().registry).decode()
    samples = {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert samples["pneumoscope_requests_total", "/predict", "200"] == 1
    assert samples["pneumoscope_predictions_total", "NORMAL"] == 1
    assert samples["pneumoscope_warnings_total", "low_resolution"] == 1
    assert samples["pneumoscope_request_seconds_bucket", "/predict", "0.015"] == 0
    assert samples["pneumoscope_request_seconds_bucket", "/predict", "0.02"] == 1
    assert samples["pneumoscope_probability_bucket", "0.1"] == 1
    assert samples["pneumoscope_batch_size_bucket", "4.0"] == 1
    assert samples["pneumoscope_queue_depth",] == 2
    assert samples["pneumoscope_model_info", "pneumonia", "1"] == 1
    assert samples["pneumoscope_stability_index", "prediction_set_size"] > 0.25
    assert samples["pneumoscope_reference_share", "2", "prediction_set_size"] == 0.25
    assert samples["pneumoscope_recent_share", "1", "prediction_set_size"] == 1


def test_what_can_be_foreseen_is_zero_from_the_start() -> None:
    value = Metrics().registry.get_sample_value

    assert value("pneumoscope_predictions_total", {"label": "PNEUMONIA"}) == 0
    assert value("pneumoscope_warnings_total", {"code": "lateral_view"}) == 0
    assert value("pneumoscope_views_total", {"view": "AP"}) == 0
    assert value("pneumoscope_age_groups_total", {"age_group": "65+"}) == 0
    assert value("pneumoscope_problems_total", {"code": "busy"}) == 0
    assert value("pneumoscope_stage_seconds_count", {"stage": "render"}) == 0


def test_the_process_is_told_of() -> None:
    assert Metrics().registry.get_sample_value("process_resident_memory_bytes")


def test_nobody_is_told_when_a_counter_was_made() -> None:
    assert "_created" not in generate_latest(touched().registry).decode()


def test_apps_share_nothing() -> None:
    first, second = Metrics(), Metrics()
    first.predictions.labels("NORMAL").inc()
    assert first.registry.get_sample_value("pneumoscope_predictions_total", {"label": "NORMAL"})
    assert not second.registry.get_sample_value(
        "pneumoscope_predictions_total", {"label": "NORMAL"}
    )
