import json

import numpy as np
import pytest

from app.http.schemas import maps
from tests.answered import SIDE, lungs
from tests.app.dicom_results.given import reading


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (0.0, "0.0"),
        (1.0, "1.0"),
        (1 / 3, "0.3333"),
        (-2 / 3, "-0.6667"),
        (0.99996, "1.0"),
        (0.00012345678, "0.0001235"),
        (-123456.0, "-123500.0"),
        (1e-12 / 3, "3.333e-13"),
        (1e-30, "0.0"),
    ],
)
def test_maps_are_written_with_four_digits(value: float, written: str) -> None:
    found = reading(outputs={"cam": np.full((SIDE, SIDE), value), "lungs": lungs()})

    body = maps(found).model_dump_json()

    assert f'{{"cam":[[{written},{written},' in body
    rows = json.loads(body)["lungs"]
    assert rows[10][8] == 0.9
    assert np.array_equal(np.array(rows, np.float32), lungs())
