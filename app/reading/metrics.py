"""The Prometheus metrics. No label and no value carries anything that a client sent."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)


class Metrics:
    """The metrics of one app, in a registry of their own."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "pneumoscope_requests", "Requests", ["endpoint", "status"], registry=registry
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
            buckets=[tenth / 10 for tenth in range(1, 11)],
            registry=registry,
        )
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
        self.model = Info("pneumoscope_model", "The model that answers", registry=registry)
