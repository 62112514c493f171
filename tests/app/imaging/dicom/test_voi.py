import numpy as np
import pytest
from pydicom import Dataset

from app.imaging.dicom import voi
from app.imaging.dicom.lut import Floats

VALUES: Floats = np.linspace(-2000, 5000, 7001)


def linear(x: float, c: float, w: float) -> float:
    """PS3.3, C.11.2.1.2.1, from 0 to 1, as it is written there."""
    if x <= c - 0.5 - (w - 1) / 2:
        return 0
    if x > c - 0.5 + (w - 1) / 2:
        return 1
    return (x - (c - 0.5)) / (w - 1) + 0.5


def linear_exact(x: float, c: float, w: float) -> float:
    """PS3.3, C.11.2.1.3.2."""
    if x <= c - w / 2:
        return 0
    if x > c + w / 2:
        return 1
    return (x - c) / w + 0.5


def sigmoid(x: float, c: float, w: float) -> float:
    """PS3.3, C.11.2.1.3.1."""
    with np.errstate(over="ignore"):
        return float(1 / (1 + np.exp(-4 * (x - c) / w)))


FUNCTIONS = {"LINEAR": linear, "LINEAR_EXACT": linear_exact, "SIGMOID": sigmoid}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize(
    ("center", "width"), [(1500, 1000), (0, 100), (2048, 4096), (2047.5, 4095), (40.5, 1), (-3, 2)]
)
def test_a_window_is_what_the_standard_writes(name: str, center: float, width: float) -> None:
    found = voi.windowed(VALUES, center, width, name)
    expected = [FUNCTIONS[name](x, center, width) for x in VALUES]
    np.testing.assert_allclose(found, expected, atol=1e-12)  # type: ignore[arg-type]


def test_a_sigmoid_does_not_overflow() -> None:
    with np.errstate(all="raise"):
        found = voi.windowed(np.array([-1e9, 0, 1e9]), 0, 1, "SIGMOID")
    assert found is not None
    np.testing.assert_allclose(found, [0, 0.5, 1])


def test_another_function_is_linear() -> None:
    np.testing.assert_array_equal(
        voi.windowed(VALUES, 300, 500, "LOG"), voi.windowed(VALUES, 300, 500, "LINEAR")
    )


@pytest.mark.parametrize(
    ("width", "name"),
    [(0, "LINEAR"), (-5, "LINEAR"), (0.5, "LINEAR"), (0, "LINEAR_EXACT"), (-1, "SIGMOID")],
)
def test_a_width_that_the_function_does_not_know(width: float, name: str) -> None:
    assert voi.windowed(VALUES, 0, width, name) is None


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"WindowCenter": 5},
        {"WindowWidth": 5},
        {"WindowCenter": "", "WindowWidth": ""},
        {"WindowCenter": [], "WindowWidth": []},
        {"WindowCenter": 5, "WindowWidth": 0},
        {"WindowCenter": "nan", "WindowWidth": 5},
    ],
)
def test_a_window_that_is_not_whole_is_none(elements: dict[str, object]) -> None:
    dataset = Dataset()
    for name, value in elements.items():
        setattr(dataset, name, value)
    assert voi.apply(VALUES, dataset, little_endian=True) is None


def test_the_first_of_several_windows_is_applied() -> None:
    dataset = Dataset()
    dataset.WindowCenter, dataset.WindowWidth = [1500, 100], [1000, 10]
    dataset.VOILUTFunction = "LINEAR_EXACT"
    np.testing.assert_array_equal(
        voi.apply(VALUES, dataset, little_endian=True),
        voi.windowed(VALUES, 1500, 1000, "LINEAR_EXACT"),
    )


def test_the_robust_range_leaves_out_half_a_percent_at_either_end() -> None:
    values = np.arange(1000.0)
    counts = np.ones(1000, np.intp)
    assert voi.robust_range(values, counts) == (4, 994)


def test_the_robust_range_is_that_of_the_pixels_in_any_order_of_values() -> None:
    values, counts = np.arange(1000.0)[::-1] * 2, np.zeros(1000, np.intp)
    counts[100:201], counts[0] = 50, 3  # 1,598 to 1,798, and three pixels of 1,998
    black, white = voi.robust_range(values, counts)
    assert (black, white) == (1598, 1798)


@pytest.mark.parametrize(
    ("counts", "expected"),
    [([0, 9, 0], (1, 1)), ([0, 0, 0], (0, 0)), ([1, 9999, 1], (0, 2)), ([0, 9999, 1], (1, 2))],
)
def test_the_robust_range_of_few_values(counts: list[int], expected: tuple[float, float]) -> None:
    assert voi.robust_range(np.arange(3.0), np.array(counts)) == expected


def test_stretching_to_no_range_is_black() -> None:
    np.testing.assert_array_equal(voi.stretched(np.array([1.0, 7.0]), 7, 7), [0, 0])
