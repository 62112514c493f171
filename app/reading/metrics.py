"""The Prometheus metrics. No label and no value carries anything that a client sent."""

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector

from app.codes import AgeGroup, Label, View, WarningCode
from app.reading.drift import EDGES, Drift

# Fine where most readings are.
_SECONDS = (
    *(0.001, 0.0025, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.04, 0.05, 0.075),
    *(0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
STAGES = ("decode", "queue", "infer", "render")
# Whose rate an alert asks for before the first of them has come.
_OF_THE_SERVICE = (
    "busy",
    "internal_error",
    "not_ready",
    "not_recorded",
    "short_of_resources",
    "stopping",
)


class Metrics:
    """The metrics of one app, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "pneumoscope_requests", "Requests", ["endpoint", "status"], registry=registry
        )
        self.caller_requests = Counter(
            "pneumoscope_caller_requests",
            "Requests with a token, by its name",
            ["caller", "status"],
            registry=registry,
        )
        self.request_seconds = Histogram(
            "pneumoscope_request_seconds",
            "Seconds from a request's headers to its answer's end",
            ["endpoint"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.stage_seconds = Histogram(
            "pneumoscope_stage_seconds",
            "Seconds in decode, queue, infer and render",
            ["stage"],
            buckets=_SECONDS,
            registry=registry,
        )
        self.batch_size = Histogram(
            "pneumoscope_batch_size",
            "Images inferred together",
            buckets=(1, 2, 4, 8, 16, 32),
            registry=registry,
        )
        self.queue_depth = Gauge(
            "pneumoscope_queue_depth", "Images waiting for the engine", registry=registry
        )
        self.predictions = Counter(
            "pneumoscope_predictions", "Images read", ["label"], registry=registry
        )
        self.probability = Histogram(
            "pneumoscope_probability",
            "Calibrated probability of pneumonia",
            buckets=EDGES["probability"],
            registry=registry,
        )
        # What drifts when images come from elsewhere than the training images did.
        self.prediction_set_size = Histogram(
            "pneumoscope_prediction_set_size",
            "Labels that cannot be ruled out",
            buckets=EDGES["prediction_set_size"],
            registry=registry,
        )
        self.novelty = Histogram(
            "pneumoscope_novelty",
            "Distance from the training images, of which the model's limit is 1",
            buckets=EDGES["novelty"],
            registry=registry,
        )
        self.lung_share = Histogram(
            "pneumoscope_lung_share",
            "Share of the image that the lungs cover",
            buckets=EDGES["lung_share"],
            registry=registry,
        )
        self.brightness = Histogram(
            "pneumoscope_brightness",
            "Mean gray of the image, 0 to 1",
            buckets=EDGES["brightness"],
            registry=registry,
        )
        self.formats = Counter(
            "pneumoscope_images", "Images read, by file format", ["format"], registry=registry
        )
        self.views = Counter(
            "pneumoscope_views", "DICOM images read, by view", ["view"], registry=registry
        )
        self.age_groups = Counter(
            "pneumoscope_age_groups",
            "DICOM images read, by the patient's age in years",
            ["age_group"],
            registry=registry,
        )
        self.drift = Drift()
        registry.register(self.drift)
        self.warnings = Counter(
            "pneumoscope_warnings", "Warnings given with answers", ["code"], registry=registry
        )
        self.connections = Gauge(
            "pneumoscope_connections", "Open HTTP connections", registry=registry
        )
        self.connections_closed = Counter(
            "pneumoscope_connections_closed",
            "HTTP connections closed by the service before their time",
            ["reason"],
            registry=registry,
        )
        self.problems = Counter(
            "pneumoscope_problems", "Problems that clients were told", ["code"], registry=registry
        )
        self.in_flight = Gauge(
            "pneumoscope_in_flight", "Requests that are admitted", registry=registry
        )
        self.in_flight_limit = Gauge(
            "pneumoscope_in_flight_limit", "Requests that may be, at most", registry=registry
        )
        self.ready = Gauge("pneumoscope_ready", "1 once the warm-up has passed", registry=registry)
        self.model_load_seconds = Gauge(
            "pneumoscope_model_load_seconds",
            "Seconds to load the model",
            registry=registry,
        )
        self.model = Info("pneumoscope_model", "The model that answers", registry=registry)
        self.model_changes = Counter(
            "pneumoscope_model_changes",
            "Times that a model was to answer, or to read in the background",
            ["role", "result"],
            registry=registry,
        )
        self.shadow_difference = Histogram(
            "pneumoscope_shadow_difference",
            "Absolute difference of the probabilities of a shadow and of the model that answers",
            ["version", "shadow"],
            buckets=(0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1),
            registry=registry,
        )
        self.shadow_labels = Counter(
            "pneumoscope_shadow_changed_labels",
            "Images to which a shadow gave another label than the model that answers",
            ["version", "shadow", "from", "to"],
            registry=registry,
        )
        self.shadow_dropped = Counter(
            "pneumoscope_shadow_dropped",
            "Images that a shadow did not read",
            ["reason"],
            registry=registry,
        )
        self.build = Info("pneumoscope_build", "The program that answers", registry=registry)
        self.build.info({"version": version("pneumoscope"), "python": platform.python_version()})
        # Memory, CPU seconds and open files.
        ProcessCollector(registry=registry)
        self._begin_at_zero()

    def _begin_at_zero(self) -> None:
        """Have the series that can be foreseen, so that a rate is known from the start."""
        for stage in STAGES:
            self.stage_seconds.labels(stage)
        for label in Label:
            self.predictions.labels(label)
        for view in View:
            self.views.labels(view)
        for age_group in AgeGroup:
            self.age_groups.labels(age_group)
        for warning in WarningCode:
            self.warnings.labels(warning)
        for code in _OF_THE_SERVICE:
            self.problems.labels(code)
        for role in ("serving", "shadow"):
            for result in ("changed", "unchanged", "refused"):
                self.model_changes.labels(role, result)
        for reason in ("no_time", "failed"):
            self.shadow_dropped.labels(reason)
