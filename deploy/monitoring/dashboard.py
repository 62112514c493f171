"""The Grafana dashboard: `python deploy/monitoring/dashboard.py` writes dashboard.json anew."""

from pathlib import Path
from typing import NamedTuple

from grafana_foundation_sdk.builders.bargauge import Panel as Bars
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DatasourceVariable,
    QueryVariable,
    Row,
)
from grafana_foundation_sdk.builders.heatmap import Panel as Heatmap
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.stat import Panel as Stat
from grafana_foundation_sdk.builders.timeseries import Panel as Timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

FILE = Path(__file__).with_name("dashboard.json")
_SOURCE = "source"
_WIDTH, _HEIGHT = 8, 7
# The version that answers, and the one that is tried beside it.
_PAIR = "version, shadow"


class Graph(NamedTuple):
    """A panel: its title, the unit of its values, and its series by their legend."""

    title: str
    unit: str
    series: dict[str, str]
    kind: type = Timeseries


def _rate(metric: str, by: str) -> str:
    return f"sum by ({by}) (rate({metric}[$__rate_interval]))"


def _quantile(share: float, metric: str, by: str) -> str:
    return f"histogram_quantile({share}, {_rate(f'{metric}_bucket', f'{by}, le')})"


def _mean(metric: str) -> str:
    return f"{_rate(f'{metric}_sum', 'instance')} / {_rate(f'{metric}_count', 'instance')}"


ROWS: dict[str, list[Graph]] = {
    "Is it well?": [
        Graph("Ready", "none", {"{{instance}}": "pneumoscope_ready"}, Stat),
        Graph(
            "Model", "none", {"{{name}} {{version}}, {{engine}}": "pneumoscope_model_info"}, Stat
        ),
        Graph(
            "Images in the last day",
            "short",
            {"": "sum(increase(pneumoscope_predictions_total[1d]))"},
            Stat,
        ),
    ],
    "Requests": [
        Graph(
            "Requests",
            "reqps",
            {"{{endpoint}} {{status}}": _rate("pneumoscope_requests_total", "endpoint, status")},
        ),
        Graph(
            "Latency of /predict",
            "s",
            {
                f"p{share * 100:g}": _quantile(
                    share, "pneumoscope_request_seconds", "instance"
                ).replace("_bucket[", '_bucket{endpoint="/predict"}[')
                for share in (0.5, 0.95, 0.99)
            },
        ),
        Graph(
            "Stages, p95", "s", {"{{stage}}": _quantile(0.95, "pneumoscope_stage_seconds", "stage")}
        ),
        Graph("Problems", "reqps", {"{{code}}": _rate("pneumoscope_problems_total", "code")}),
        Graph(
            "In flight",
            "short",
            {
                "{{instance}}": "pneumoscope_in_flight",
                "limit of {{instance}}": "pneumoscope_in_flight_limit",
                "queue of {{instance}}": "pneumoscope_queue_depth",
            },
        ),
        Graph("Connections", "short", {"{{instance}}": "pneumoscope_connections"}),
    ],
    "Readings": [
        Graph("Labels", "reqps", {"{{label}}": _rate("pneumoscope_predictions_total", "label")}),
        Graph(
            "Probability",
            "short",
            {"{{le}}": _rate("pneumoscope_probability_bucket", "le")},
            Heatmap,
        ),
        Graph("Warnings", "reqps", {"{{code}}": _rate("pneumoscope_warnings_total", "code")}),
    ],
    "Drift: a sign, not a measure of performance": [
        Graph(
            "Novelty, p50 and p95 (over 1 is unlike the training images)",
            "short",
            {
                "p50": _quantile(0.5, "pneumoscope_novelty", "instance"),
                "p95": _quantile(0.95, "pneumoscope_novelty", "instance"),
            },
        ),
        Graph(
            "Share of the image that the lungs cover, and its brightness",
            "percentunit",
            {
                "lungs": _mean("pneumoscope_lung_share"),
                "brightness": _mean("pneumoscope_brightness"),
            },
        ),
        Graph(
            "Formats; of DICOM images also views and ages",
            "reqps",
            {
                "{{format}}": _rate("pneumoscope_images_total", "format"),
                "view {{view}}": _rate("pneumoscope_views_total", "view"),
                "aged {{age_group}}": _rate("pneumoscope_age_groups_total", "age_group"),
            },
        ),
        Graph(
            "Stability index against the reference (0.1: some change, 0.25: much)",
            "short",
            {"{{quantity}} of {{instance}}": "pneumoscope_stability_index"},
        ),
        *(
            Graph(
                f"$quantity of {title}",
                "percentunit",
                {"{{bin}}": f'avg by (bin) ({metric}{{quantity="$quantity"}})'},
                Bars,
            )
            for title, metric in (
                ("the latest images", "pneumoscope_recent_share"),
                ("the reference", "pneumoscope_reference_share"),
            )
        ),
    ],
    "Versions of the model": [
        Graph(
            "Processes, by the model that answers",
            "short",
            {
                "{{name}} {{version}}, {{digest}}": "count by (name, version, digest)"
                " (pneumoscope_model_info)"
            },
        ),
        Graph(
            "Changes",
            "short",
            {
                "{{role}}: {{result}}": "sum by (role, result)"
                " (increase(pneumoscope_model_changes_total[$__rate_interval]))"
            },
        ),
        Graph(
            "Changes that were refused in the last day",
            "short",
            {
                "{{role}} of {{instance}}": "sum by (role, instance)"
                ' (increase(pneumoscope_model_changes_total{result="refused"}[1d]))'
            },
            Stat,
        ),
    ],
    "A version that is tried in the background (shadow)": [
        Graph(
            "Images",
            "reqps",
            {
                "read by {{shadow}} beside {{version}}": _rate(
                    "pneumoscope_shadow_difference_count", _PAIR
                ),
                "dropped: {{reason}}": _rate("pneumoscope_shadow_dropped_total", "reason"),
            },
        ),
        Graph(
            "Share of the images with another label",
            "percentunit",
            {
                "{{version}} {{from}}, {{shadow}} {{to}}": _rate(
                    "pneumoscope_shadow_changed_labels_total", f"{_PAIR}, from, to"
                )
                + f" / on ({_PAIR}) group_left "
                + _rate("pneumoscope_shadow_difference_count", _PAIR)
            },
        ),
        Graph(
            "Absolute difference of the probabilities",
            "short",
            {
                f"p{share * 100:g}, {{{{shadow}}}} beside {{{{version}}}}": _quantile(
                    share, "pneumoscope_shadow_difference", _PAIR
                )
                for share in (0.5, 0.95, 0.99)
            },
        ),
    ],
    "Process": [
        Graph("Memory", "bytes", {"{{instance}}": "process_resident_memory_bytes"}),
        Graph(
            "CPU", "short", {"{{instance}}": "rate(process_cpu_seconds_total[$__rate_interval])"}
        ),
        Graph(
            "Images inferred together",
            "short",
            {
                "{{instance}}": f"{_rate('pneumoscope_batch_size_sum', 'instance')}"
                f" / {_rate('pneumoscope_batch_size_count', 'instance')}"
            },
        ),
    ],
    "DICOM node": [
        Graph("Queue", "short", {"{{stage}}": "sum by (stage) (pneumoscope_node_queue)"}),
        Graph(
            "Oldest entry", "s", {"{{stage}}": "max by (stage) (pneumoscope_node_oldest_seconds)"}
        ),
        Graph(
            "C-STORE", "reqps", {"{{outcome}}": _rate("pneumoscope_node_received_total", "outcome")}
        ),
    ],
}


def dashboard() -> str:
    """The dashboard as Grafana imports it, in JSON."""
    source = DataSourceRef(type_val="prometheus", uid=f"${{{_SOURCE}}}")
    board = (
        Dashboard("pneumoscope")
        .uid("pneumoscope")
        .refresh("30s")
        .time("now-6h", "now")
        .with_variable(DatasourceVariable(_SOURCE).type("prometheus").label("Prometheus"))
        .with_variable(
            QueryVariable("quantity")
            .datasource(source)
            .query("label_values(pneumoscope_reference_share, quantity)")
            .refresh(VariableRefresh.ON_DASHBOARD_LOAD)
        )
    )
    for title, graphs in ROWS.items():
        board = board.with_row(Row(title))
        for graph in graphs:
            panel = graph.kind().title(graph.title).unit(graph.unit).datasource(source)
            panel = panel.span(_WIDTH).height(_HEIGHT)
            for name, (legend, expression) in zip("ABCDEF", graph.series.items(), strict=False):
                query = Dataquery().expr(expression).legend_format(legend).ref_id(name)
                panel = panel.with_target(
                    query.format("heatmap") if graph.kind is Heatmap else query
                )
            board = board.with_panel(panel)
    return JSONEncoder(sort_keys=True, indent=2).encode(board.build()) + "\n"


if __name__ == "__main__":
    FILE.write_text(dashboard())
