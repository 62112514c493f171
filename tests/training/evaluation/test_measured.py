"""What was measured, as plain values."""

from dataclasses import dataclass

from training.evaluation.measured import Estimate, Shares, to_json


@dataclass(frozen=True)
class Told:
    n: int
    area: Estimate
    matrix: list[list[Estimate]]
    by_label: dict[str, dict[str, Estimate]]
    parts: dict[str, Shares]
    curve: list[float]
    missing: Shares | None


TOLD = Told(
    n=3,
    area=Estimate(0.9, 0.8, 1.0),
    matrix=[[Estimate(2, 1, 3)]],
    by_label={"NORMAL": {"recall": Estimate(0.5, 0.4, 0.6)}},
    parts={"blank": Shares(images=1, warned=0.5, without_lungs=0.0, told_apart=0.5)},
    curve=[0.1, 0.2],
    missing=None,
)


def test_an_estimate_in_words() -> None:
    assert str(Estimate(0.99751, 0.995, 1.0)) == "0.998 (0.995 to 1.000)"


def test_intervals_lie_beside_the_figures_and_what_is_missing_is_left_out() -> None:
    assert to_json(TOLD) == {
        "n": 3,
        "area": 0.9,
        "matrix": [[2]],
        "by_label": {"NORMAL": {"recall": 0.5}},
        "parts": {"blank": {"images": 1, "warned": 0.5, "without_lungs": 0.0, "told_apart": 0.5}},
        "curve": [0.1, 0.2],
        "intervals": {
            "area": [0.8, 1.0],
            "matrix": [[[1, 3]]],
            "by_label": {"NORMAL": {"recall": [0.4, 0.6]}},
        },
    }
