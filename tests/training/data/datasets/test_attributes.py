import pytest

from training.data.datasets import attributes


@pytest.mark.parametrize(
    ("text", "view"),
    [("AP", "AP"), ("pa", "PA"), ("AP Supine", "AP"), ("LL", ""), ("", ""), ("APX", "")],
)
def test_the_projection(text: str, view: str) -> None:
    assert attributes.view(text) == view


@pytest.mark.parametrize(
    ("text", "sex"), [("F", "F"), ("m", "M"), (" female", "F"), ("Male", "M"), ("O", ""), ("", "")]
)
def test_the_sex(text: str, sex: str) -> None:
    assert attributes.sex(text) == sex


@pytest.mark.parametrize(
    ("years", "population"), [(None, "unknown"), (0, "child"), (17.9, "child"), (18, "adult")]
)
def test_the_population(years: float | None, population: str) -> None:
    assert attributes.population(years) == population
