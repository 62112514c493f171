from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.model_selection import StratifiedGroupKFold

from app.imaging.decode import decode, to_model_input
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom
from tests.training import tiny
from training.data import labelled
from training.data.datasets import kermany
from training.data.labelled import DataError, Sample


def samples(patients: int = 40, images: int = 3) -> list[Sample]:
    """As many normal as sick patients, of several images each."""
    normal = [
        Sample(Path(f"{patient}-{image}.jpeg"), 0, f"well {patient}")
        for patient in range(patients)
        for image in range(images)
    ]
    sick = [
        Sample(Path(f"{patient}_{image}.jpeg"), 1, f"sick {patient}")
        for patient in range(patients)
        for image in range(images)
    ]
    return normal + sick


def test_no_patient_is_in_two_parts_and_no_image_is_lost() -> None:
    everything = samples()
    parts = labelled.split(everything, 0)
    assert set(parts) == {labelled.TRAIN, labelled.VALIDATION, labelled.CALIBRATION}
    assert sorted(str(s.path) for part in parts.values() for s in part) == sorted(
        str(s.path) for s in everything
    )
    patients = [{sample.patient for sample in part} for part in parts.values()]
    assert len(set.union(*patients)) == sum(map(len, patients))


def test_a_patient_with_images_of_both_labels_is_in_one_part() -> None:
    both = [
        Sample(Path(f"{patient}-{label}.png"), label, str(patient))
        for patient in range(40)
        for label in (0, 1)
    ]
    parts = labelled.split(both, 0)
    patients = [{sample.patient for sample in part} for part in parts.values()]
    assert len(set.union(*patients)) == sum(map(len, patients))


def test_the_parts_are_eight_one_and_one_tenth_of_each_label() -> None:
    parts = labelled.split(samples(), 0)
    shares = {name: np.bincount([s.label for s in part]) / 120 for name, part in parts.items()}
    np.testing.assert_allclose(shares[labelled.TRAIN], 0.8, atol=0.03)
    np.testing.assert_allclose(shares[labelled.VALIDATION], 0.1, atol=0.03)
    np.testing.assert_allclose(shares[labelled.CALIBRATION], 0.1, atol=0.03)


def test_the_split_follows_from_the_seed() -> None:
    assert labelled.split(samples(), 1) == labelled.split(samples(), 1)
    assert labelled.split(samples(), 1) != labelled.split(samples(), 2)


@pytest.mark.parametrize("seed", [0, 7])
def test_a_single_population_is_split_by_label_alone(seed: int) -> None:
    everything = [replace(s, population="child", source="kermany") for s in samples(images=2)]
    labels, patients = [s.label for s in everything], [s.patient for s in everything]
    folds = StratifiedGroupKFold(10, shuffle=True, random_state=seed)
    parts = labelled.split(everything, seed)
    for (_, fold), name in zip(
        folds.split(labels, labels, patients),
        (labelled.VALIDATION, labelled.CALIBRATION),
        strict=False,
    ):
        assert parts[name] == [everything[i] for i in fold]
    among_sets = [replace(s, patient=f"kermany/{s.patient}") for s in everything]
    paths = {name: [s.path for s in part] for name, part in parts.items()}
    assert {
        name: [s.path for s in p] for name, p in labelled.split(among_sets, seed).items()
    } == paths


def test_each_part_has_its_share_of_each_label_of_each_population() -> None:
    """Though each adult has one label only, and adults are few."""
    children = [replace(s, population="child") for s in samples(images=2)]
    adults = [
        replace(s, population="adult", patient=f"adult {s.patient}")
        for s in samples(20, 2)
        if s.label == 0 or int(s.patient.split()[1]) < 10
    ]
    for seed in range(3):
        parts = labelled.split(children + adults, seed)
        for name in (labelled.VALIDATION, labelled.CALIBRATION):
            counts = Counter((s.population, s.label) for s in parts[name])
            assert counts == {("child", 0): 8, ("child", 1): 8, ("adult", 0): 4, ("adult", 1): 2}


def test_a_population_of_few_patients_joins_the_others_of_its_label(
    recwarn: pytest.WarningsRecorder,
) -> None:
    everything = [replace(s, population="child") for s in samples()]
    everything[:9] = [replace(s, population="unknown") for s in everything[:9]]
    parts = labelled.split(everything, 0)
    assert sum(map(len, parts.values())) == len(everything)
    assert [s.label for s in parts[labelled.VALIDATION]] == [0] * 12 + [1] * 12
    assert not recwarn.list


def test_too_few_patients_are_an_error_however_many_their_images() -> None:
    few = [s for s in samples(images=5) if s.label == 1 or int(s.patient.split()[1]) < 9]
    with pytest.raises(DataError, match="at least 10 patients with NORMAL"):
        labelled.split(few, 0)


def test_images_are_read_as_the_service_reads_them(tmp_path: Path) -> None:
    found = kermany.find(tiny.images(tmp_path, 2))
    images = labelled.load(found, "images")
    assert len(images) == 4
    assert images.pixels.shape == (4, 224, 224, 1)
    assert images.pixels.dtype == np.uint8
    np.testing.assert_array_equal(images.labels, np.array([0, 0, 1, 1], np.float32))
    for sample, pixels in zip(found, images.pixels, strict=True):
        served = to_model_input(decode(sample.path.read_bytes()).pixels)
        np.testing.assert_array_equal(pixels, served)


def test_dicom_is_told_by_content(tmp_path: Path) -> None:
    chest = synthetic.chest(size=(80, 100))
    path = tmp_path / "named_wrong.png"
    path.write_bytes(dicom(chest))
    radiograph = labelled.read(path)
    assert radiograph.format == "DICOM"
    np.testing.assert_array_equal(radiograph.pixels, chest)
    np.testing.assert_array_equal(
        labelled.load([Sample(path, 0, "")], "images").pixels[0], to_model_input(chest)
    )


def test_a_broken_image_is_named_counted_and_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = kermany.find(tiny.images(tmp_path, 2))
    found[1].path.write_bytes(found[1].path.read_bytes()[:200])
    images = labelled.load(found, "training images")
    assert images.samples == [found[0], *found[2:]]
    assert images.labels.tolist() == [0, 1, 1]
    told = capsys.readouterr().err
    assert f"skipped {found[1].path}: The PNG image is broken" in told
    assert "training images: skipped 1 of 4 images" in told


def test_only_broken_images_are_an_error(tmp_path: Path) -> None:
    found = kermany.find(tiny.images(tmp_path, 1))
    for sample in found:
        sample.path.write_bytes(b"no image")
    with pytest.raises(DataError, match="none of the 2 images could be read"):
        labelled.load(found, "images")
