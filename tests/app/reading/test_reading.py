from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from app.codes import Label, Reason, WarningCode
from app.imaging.decode import Radiograph
from app.reading.lungs import Lungs
from app.reading.model import Model
from app.reading.reading import Reading, judge
from model_store.manifest import Conformal
from tests.answered import answers, lungs
from tests.app.reading import profiles
from tests.model_store.made import manifest

# Those of `made.manifest`: its threshold, and what neither of its quantiles excludes.
THRESHOLD, UNSURE, SURE = 0.4, 0.5, 0.9
LIMIT = 2.0
BOTH = [Label.NORMAL, Label.PNEUMONIA]
NO_LUNGS = np.zeros((28, 28))
PIXELS = np.zeros((8, 8), np.uint8)


def judged(probability: float, *warnings: WarningCode, **outputs: Any) -> Reading:
    radiograph = Radiograph(PIXELS, 8, 8, "PNG", "", warnings)
    found = answers([probability], **({"novelty": [1.0]} | outputs))
    return judge(radiograph, found, Model(manifest(), "openvino", "CPU"), {})


def by_site(probability: float, **profile: Any) -> Reading:
    radiograph = Radiograph(PIXELS, 8, 8, "PNG", "")
    model = Model(manifest(), "openvino", "CPU", profiles.profile(**profile))
    return judge(radiograph, answers([probability], novelty=[1.0]), model, {})


# By hand: a prevalence of 0.1 divides the odds by 9, so that 0.75 becomes 0.25.
@pytest.mark.parametrize(
    ("own", "probability", "label", "possible"),
    [
        (0.9375, 0.625, Label.PNEUMONIA, [Label.PNEUMONIA]),
        (0.75, 0.25, Label.PNEUMONIA, BOTH),
        (0.625, 5 / 32, Label.NORMAL, [Label.NORMAL]),
    ],
)
def test_a_site_profile_makes_the_label(
    own: float, probability: float, label: Label, possible: list[Label]
) -> None:
    limits = Conformal(coverage=0.95, normal_quantile=0.75, pneumonia_quantile=0.25)
    threshold = {"value": 0.75, "sensitivity": 0.9}
    reading = by_site(own, prevalence=0.1, threshold=threshold, conformal=limits)

    assert reading.probability == pytest.approx(probability)
    assert reading.threshold == pytest.approx(0.25)
    assert (reading.label, reading.prediction_set) == (label, possible)


def test_only_the_profile_s_reference_counts_where_there_is_a_profile() -> None:
    told, own = {"view": {"AP": 3}}, {"view": {"AP": 4}}
    by_itself = Model(manifest(reference=own), "openvino", "CPU")
    assert by_itself.reference == own
    assert replace(by_itself, profile=profiles.profile(reference=told)).reference == told
    # Its prediction sets are others.
    assert replace(by_itself, profile=profiles.profile()).reference is None


def test_the_brightness_is_the_mean_gray() -> None:
    half = np.zeros((64, 64), np.uint8)
    half[:, 32:] = 204
    reading = judged(0.1)
    bright = replace(reading, radiograph=replace(reading.radiograph, pixels=half))
    assert bright.brightness == pytest.approx(0.4)


def test_without_a_threshold_of_the_site_the_model_s_is_moved() -> None:
    reading = by_site(THRESHOLD + 1e-6, prevalence=0.1, threshold=None)
    assert reading.threshold == pytest.approx((0.4 / 0.6 / 9) / (1 + 0.4 / 0.6 / 9))
    assert reading.label == Label.PNEUMONIA


@pytest.mark.parametrize(
    ("probability", "label", "possible"),
    [
        (0.1, Label.NORMAL, [Label.NORMAL]),
        (np.nextafter(np.float32(THRESHOLD), np.float32(0)), Label.NORMAL, BOTH),
        (np.float32(THRESHOLD), Label.PNEUMONIA, BOTH),
        (SURE, Label.PNEUMONIA, [Label.PNEUMONIA]),
    ],
)
def test_the_threshold_makes_the_label(
    probability: float, label: Label, possible: list[Label]
) -> None:
    reading = judged(probability)
    assert (reading.label, reading.finding, reading.prediction_set) == (label, label, possible)
    assert reading.target == label.lower()


def test_a_clear_answer_needs_no_person() -> None:
    reading = judged(SURE)
    assert (reading.review, reading.reasons, reading.warnings) == (False, [], [])
    assert reading.lungs.found


def test_a_person_reads_where_no_label_can_be_excluded() -> None:
    reading = judged(UNSURE)
    assert reading.review
    assert reading.reasons == [Reason.BOTH_LABELS_POSSIBLE]
    assert reading.warnings == []


@pytest.mark.parametrize(
    ("outputs", "code"),
    [
        ({"lungs": NO_LUNGS}, WarningCode.NO_LUNGS_FOUND),
        ({"lungs": lungs(certainty=0.6)}, WarningCode.NO_LUNGS_FOUND),
        ({"novelty": [LIMIT + 0.01]}, WarningCode.NOT_LIKE_A_CHEST_XRAY),
    ],
)
@pytest.mark.parametrize("probability", [0.1, SURE])
def test_what_is_no_chest_xray_has_no_label(
    probability: float, outputs: dict[str, Any], code: WarningCode
) -> None:
    reading = judged(probability, **outputs)
    assert reading.label == Label.INDETERMINATE
    assert reading.prediction_set == BOTH
    assert reading.warnings == [code]
    assert reading.reasons == [Reason.BOTH_LABELS_POSSIBLE, Reason(code)]
    assert reading.probability == pytest.approx(probability)
    assert reading.target == ("pneumonia" if probability == SURE else "normal")


def test_novelty_at_the_limit_is_ordinary() -> None:
    assert judged(SURE, novelty=[LIMIT]).warnings == []


def test_both_may_be_wrong_with_it() -> None:
    reading = judged(SURE, lungs=NO_LUNGS, novelty=[LIMIT + 1])
    assert reading.warnings == [WarningCode.NO_LUNGS_FOUND, WarningCode.NOT_LIKE_A_CHEST_XRAY]


def test_lungs_that_are_cut_off_are_warned_of_and_read() -> None:
    reading = judged(SURE, lungs=lungs(left=(0, 12)))
    assert reading.lungs.cut_off
    assert (reading.label, reading.prediction_set) == (Label.PNEUMONIA, [Label.PNEUMONIA])
    assert reading.warnings == [WarningCode.LUNGS_CUT_OFF]
    assert reading.reasons == [Reason.LUNGS_CUT_OFF]


@pytest.mark.parametrize(
    "code",
    [
        WarningCode.LATERAL_VIEW,
        WarningCode.NOT_A_CHEST,
        WarningCode.LOW_RESOLUTION,
        WarningCode.MULTIPLE_FRAMES,
    ],
)
def test_what_the_file_tells_is_a_reason_and_leaves_the_label(code: WarningCode) -> None:
    reading = judged(SURE, code)
    assert (reading.label, reading.warnings) == (Label.PNEUMONIA, [code])
    assert (reading.review, reading.reasons) == (True, [Reason(code)])


def test_evidence_is_told_of_lungs_that_were_found() -> None:
    cam = np.ones((28, 28))
    share = judged(SURE, cam=cam).evidence_in_lungs("pneumonia")
    assert share is not None
    assert 0 < share < 1
    assert judged(SURE, cam=cam).evidence_in_lungs("normal") is None
    unsure = judged(SURE, cam=cam, lungs=lungs(certainty=0.6))
    assert unsure.lungs == Lungs(found=False)
    assert unsure.evidence_in_lungs("pneumonia") is None
