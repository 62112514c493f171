"""The DICOM node's Prometheus metrics. No label and no value carries anything of an image."""

from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge

from app.pacs.node.spool import STAGES, WAITING, Spool

# By metric, what is known of its label beforehand.
_FORESEEN = {
    "received": (
        "queued",
        "own_result",
        "queue_full",
        "aside_full",
        "disk_full",
        "not_written",
        "no_memory",
        "mismatch",
        "too_large",
        "broken",
    ),
    "rejected": ("called_ae_title", "peer", "too_many"),
    "closed": (
        "address",
        "silent",
        "too_many",
        "no_request",
        "without_tls",
        "certificate",
        "handshake",
        "hung_up",
    ),
    "aborted": ("command_set", "fragments", "long_pdu", "slow", "ahead", "displaced"),
    "images": (
        "read",
        "corrected_replace",
        "corrected_add",
        "corrected_aside",
        "aside",
        "lateral_view",
        "not_a_chest",
        "not_a_chest_xray",
        "own_result",
        "not_selected",
    ),
    "failures": ("unreachable", "refused", "error"),
}


class NodeMetrics:
    """The metrics of one node, beside those of its reader in the same registry."""

    def __init__(self, registry: CollectorRegistry, spool: Spool) -> None:
        self.received = Counter(
            "pneumoscope_node_received", "C-STORE requests", ["outcome"], registry=registry
        )
        self.rejected = Counter(
            "pneumoscope_node_rejected", "Associations rejected", ["reason"], registry=registry
        )
        self.closed = Counter(
            "pneumoscope_node_connections_closed",
            "Connections that were closed before they asked for an association",
            ["reason"],
            registry=registry,
        )
        self.waiting = Gauge(
            "pneumoscope_node_connections_waiting",
            "Connections that have not asked for an association yet",
            registry=registry,
        )
        self.associations = Gauge(
            "pneumoscope_node_associations", "Open associations", registry=registry
        )
        self.aborted = Counter(
            "pneumoscope_node_aborted",
            "Associations that were ended since a peer overstepped a bound",
            ["reason"],
            registry=registry,
        )
        self.images = Counter(
            "pneumoscope_node_images", "Images taken off the queue", ["outcome"], registry=registry
        )
        self.not_selected = Counter(
            "pneumoscope_node_not_selected",
            "Images that a rule left out, by the rule's name",
            ["rule"],
            registry=registry,
        )
        self.sent = Counter(
            "pneumoscope_node_results_sent",
            "Results that the PACS or the FHIR server stored",
            registry=registry,
        )
        self.failures = Counter(
            "pneumoscope_node_send_failures",
            "Attempts at sending a result that failed",
            ["reason"],
            registry=registry,
        )
        depth = Gauge(
            "pneumoscope_node_queue", "Entries of the queue", ["stage"], registry=registry
        )
        age = Gauge(
            "pneumoscope_node_oldest_seconds",
            "Seconds for which the oldest entry has waited in its stage",
            ["stage"],
            registry=registry,
        )
        free = Gauge(
            "pneumoscope_node_free_bytes", "Free bytes of the queue's disk", registry=registry
        )
        free.set_function(spool.free_bytes)
        for stage in STAGES:
            depth.labels(stage).set_function(partial(spool.depth, stage))
        for stage in WAITING:
            age.labels(stage).set_function(partial(spool.age, stage))
        # So that a rate is known from the start.
        for name, values in _FORESEEN.items():
            for value in values:
                getattr(self, name).labels(value)
