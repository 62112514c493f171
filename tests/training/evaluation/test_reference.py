import numpy as np

from app.imaging.decode import Radiograph
from app.reading import drift
from app.reading.model import Model
from app.reading.reading import judge
from model_store.manifest import Conformal
from tests.answered import SIDE, answers
from tests.model_store.made import manifest
from tests.training.site_rows import row
from training.evaluation import reference

SURE = Conformal(coverage=0.95, normal_quantile=0.5, pneumonia_quantile=0.5)
UNSURE = Conformal(coverage=0.95, normal_quantile=1, pneumonia_quantile=1)


def test_rows_count_by_the_limits_that_will_hold() -> None:
    rows = [
        row(1, 0.05, format="DICOM", view="PA", age_group="65+"),
        row(2, 0.95, novelty=0.85),
        row(3, 0.95, label="INDETERMINATE", novelty=1.3),
    ]

    found = reference.of_rows(rows, SURE)
    assert found["probability"] == dict.fromkeys(drift.BINS["probability"], 0) | {
        "0.1": 1,
        "1.0": 2,
    }
    assert found["prediction_set_size"] == {"1": 2, "2": 1, ">2": 0}
    assert (found["novelty"]["0.6"], found["novelty"]["0.9"], found["novelty"]["1.5"]) == (1, 1, 1)
    assert (found["format"]["DICOM"], found["format"]["PNG"]) == (1, 2)
    assert (found["view"]["PA"], found["age_group"]["65+"]) == (1, 1)
    assert sum(found["view"].values()) == 1
    assert reference.of_rows(rows, UNSURE)["prediction_set_size"] == {"1": 0, "2": 3, ">2": 0}


def test_copies_and_what_shows_no_lungs_do_not_count() -> None:
    failed = row(2, 0, label=None, lungs_found=None, problem="not_a_chest_xray")
    strange = row(3, 0.5, label="INDETERMINATE", lungs_found=False)
    found = reference.of_rows([row(1, 0.5), row(1, 0.5, path="/copy.png"), failed, strange], SURE)
    assert sum(found["probability"].values()) == 1


def test_a_model_s_images_are_counted_as_the_service_would() -> None:
    random = np.random.default_rng(0)
    scores, novelty = random.random(40), random.uniform(0.5, 2.5, 40)
    grays = random.integers(0, 255, (40, 1, 1, 1), np.uint8)
    pixels = np.broadcast_to(grays, (40, 224, 224, 1))
    model = Model(manifest(), "openvino", "CPU")
    readings = []
    for score, far, image in zip(scores, novelty, pixels, strict=True):
        radiograph = Radiograph(image[..., 0], 224, 224, "PNG", "")
        readings.append(judge(radiograph, answers([score], novelty=[far]), model, {}))
    expected = drift.count(map(drift.quantities, readings))
    del expected["format"]

    found = reference.of_answers(
        [
            (answers(scores[:30], novelty=novelty[:30]), pixels[:30]),
            (answers(scores[30:], novelty=novelty[30:]), pixels[30:]),
            (answers([0.5], novelty=[1], lungs=np.zeros((SIDE, SIDE))), pixels[:1]),
        ],
        model.manifest.calibration,
    )
    assert found == expected
