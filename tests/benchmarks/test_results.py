import json

from tests.benchmarks import made


def test_the_json_has_every_figure() -> None:
    told = json.loads(made.results().to_json())
    assert told["machine"] == {"CPU": "Abacus, 2 cores"}
    cell = told["outcomes"][0]["cells"][0]
    assert cell["load"]["requests_per_second"] == 100
    assert cell["memory"] == 200 * made.MB
    assert told["outcomes"][3]["problem"] == "skipped: bentoml not installed"
