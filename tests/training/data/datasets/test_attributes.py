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
    ("text", "years"),
    [
        ("58", 58),
        ("058Y", 58),
        ("58.5", 58.5),
        ("018M", 1.5),
        ("026w", 0.4983),
        ("000D", 0),
        ("120", 120),
        ("0414", None),
        ("-1", None),
        ("nan", None),
        ("old", None),
        ("", None),
        ("9" * 400, None),
    ],
)
def test_the_age(text: str, years: float | None) -> None:
    found = attributes.age(text)
    assert found == (years if years is None else pytest.approx(years, abs=1e-4))


@pytest.mark.parametrize(
    ("years", "population"), [(None, "unknown"), (0, "child"), (17.9, "child"), (18, "adult")]
)
def test_the_population(years: float | None, population: str) -> None:
    assert attributes.population(years) == population
