from importlib.util import find_spec

from benchmarks.roster import OTHERS, OURS, Contestant


def test_the_contestants_are_those_of_the_comparison() -> None:
    assert [contestant.name for contestant in OTHERS] == [
        "pneumoscope, /explain",
        "FastAPI, Keras predict",
        "FastAPI, SavedModel signature",
        "LitServe, TensorFlow",
        "LitServe, OpenVINO",
        "BentoML, TensorFlow",
        "BentoML, OpenVINO",
        "Ray Serve, OpenVINO",
    ]


def test_every_contestant_is_told_its_port() -> None:
    for contestant in (OURS, *OTHERS):
        told = [*contestant.command, *contestant.environment.values()]
        assert any("{port}" in text for text in told), contestant.name


def test_every_module_that_is_started_is_there() -> None:
    for contestant in OTHERS:
        for part in contestant.command:
            if part.startswith("benchmarks."):
                assert find_spec(part.partition(":")[0]), part


def test_modules_that_are_missing_are_named() -> None:
    found = Contestant("c", (), ("json", "no_such_module")).missing
    assert found == ["no_such_module"]
    assert OURS.missing == []
