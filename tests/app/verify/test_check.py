from typing import Any

import numpy as np
import pytest

from app.codes import Label
from app.imaging.decode import Radiograph
from app.reading.model import Model
from app.reading.reading import Reading, judge
from app.reading.site_profile import SiteProfile
from app.verify.check import TOLERANCE, answer, origin
from app.verify.report import Report
from tests.answered import answers
from tests.app.reading.profiles import profile
from tests.model_store.made import manifest

IMAGE, UID = "b" * 64, "1.2.3"
SITE = profile(prevalence=0.05, threshold={"value": 0.9375, "sensitivity": 0.9})


def read(own: float, site: SiteProfile | None = None, **outputs: Any) -> Reading:
    radiograph = Radiograph(np.zeros((8, 8), np.uint8), 8, 8, "PNG", IMAGE)
    model = Model(manifest(), "openvino", "CPU", site)
    return judge(radiograph, answers([own], **({"novelty": [1.0]} | outputs)), model, {})


def reported(reading: Reading, **changes: Any) -> Report:
    fields: dict[str, Any] = {
        "image": IMAGE,
        "model": reading.model.digest,
        "profile": reading.model.profile_digest,
        "probability": reading.probability,
        "label": reading.label,
        "prediction_set": frozenset(reading.prediction_set),
    }
    return Report(**(fields | changes))


def differing(report: Report, reading: Reading) -> list[str]:
    return [check.what for check in answer(report, reading) if not check.holds]


@pytest.mark.parametrize("site", [None, SITE])
@pytest.mark.parametrize("own", [0, 0.1, 0.4, 0.6, 0.9375, 0.95, 1])
def test_what_the_model_says_again_holds(own: float, site: SiteProfile | None) -> None:
    reading = read(own, site)
    assert differing(reported(reading), reading) == []


@pytest.mark.parametrize("site", [None, SITE])
def test_a_probability_may_be_as_far_off_as_engines_are(site: SiteProfile | None) -> None:
    reading = read(0.995, site)
    near, far = (
        reported(read(0.995 - TOLERANCE * share, site), label=Label.PNEUMONIA)
        for share in (0.9, 1.1)
    )
    assert differing(near, reading) == []
    assert differing(far, reading) == ["probability"]


def test_beside_a_threshold_the_label_is_that_of_the_claimed_probability() -> None:
    above, below = read(0.41), read(0.39)
    assert (above.label, below.label) == (Label.PNEUMONIA, Label.NORMAL)
    assert differing(reported(below), above) == []
    assert differing(reported(below, label=Label.PNEUMONIA), above) == ["label"]


def test_an_image_unlike_any_has_no_other_label() -> None:
    strange = read(0.9, novelty=[9.0])
    assert differing(reported(strange), strange) == []
    assert differing(reported(read(0.9)), strange) == ["label", "prediction set"]


def test_a_prediction_set_cannot_be_narrowed() -> None:
    reading = read(0.5)
    assert differing(reported(reading, prediction_set={Label.NORMAL}), reading) == [
        "prediction set"
    ]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"image": UID}, []),
        ({"image": "c" * 64}, [f"image          DIFFERS  claimed {'c' * 64}, found {IMAGE}"]),
        ({"image": "1.2.4"}, [f"image          DIFFERS  claimed 1.2.4, found {UID}"]),
        (
            {"model": "d" * 64},
            [f"model          DIFFERS  claimed {'d' * 64}, found {manifest().digest}"],
        ),
        (
            {"profile": None},
            [f"profile        DIFFERS  claimed none, found {SITE.digest}"],
        ),
    ],
)
def test_of_what_and_by_what_it_is(changes: dict[str, Any], expected: list[str]) -> None:
    reading = read(0.9, SITE)
    checks = origin(reported(reading, **changes), (IMAGE, UID), reading.model)
    assert [str(check) for check in checks if not check.holds] == expected
