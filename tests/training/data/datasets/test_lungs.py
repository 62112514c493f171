from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from tests.training import tiny
from tests.training.data.datasets import copies
from training.data import datasets
from training.data.datasets import lungs
from training.data.labelled import DataError

HEALTHY: dict[str, Any] = {"name": "No Pneumonia (healthy)", "tag": {}}
VIRAL: dict[str, Any] = {"name": "Viral Pneumonia", "tag": {}}
LUNG = {"name": "Lung", "polygon": {"path": copies.square(10, 20, 30)}}
OTHER = {"name": "Lung", "polygon": {"path": copies.square(70, 20, 30)}}


def found(folder: Path, images: Path | None = None) -> list[tuple[str, int, str]]:
    """What is found: name, label and patient of each image."""
    return [(s.path.name, s.label, s.patient) for s, _ in lungs.find(folder, images)]


def chests(folder: Path) -> Path:
    """Images as the children's set has them, a test image among them."""
    tiny.images(folder / "train", 2)
    (folder / "test" / "NORMAL").mkdir(parents=True)
    (folder / "test" / "NORMAL" / "IM-0099-0001.jpeg").touch()
    return folder


def test_drawn_masks_lie_beside_the_training_images(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.images(tmp_path / "train", 2)
    for name in ("NORMAL/IM-0001-0001", "PNEUMONIA/person0_virus_1", "PNEUMONIA/person7_virus_1"):
        path = tmp_path / "lungs" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), np.eye(8, dtype=np.uint8) * 255)
    assert found(tmp_path) == [
        ("IM-0001-0001.png", 0, "kermany/IM-0001"),
        ("person0_virus_1.png", 1, "kermany/person0"),
    ]
    assert "left out 1 of 3 masks, whose images are not there" in capsys.readouterr().err
    sample, mask = lungs.find(tmp_path)[0]
    assert (sample.population, sample.path.parent.parent.name) == ("child", "train")
    np.testing.assert_array_equal(lungs.read(mask), np.eye(8, dtype=bool))


def test_patients_are_named_as_among_all_sets(tmp_path: Path) -> None:
    tiny.images(tmp_path / "train", 2)
    (tmp_path / "lungs" / "NORMAL").mkdir(parents=True)
    cv2.imwrite(str(tmp_path / "lungs" / "NORMAL" / "IM-0001-0001.png"), np.zeros((8, 8), np.uint8))
    everyone = {sample.patient for sample in datasets.find_all([f"kermany={tmp_path}"])}
    assert {sample.patient for sample, _ in lungs.find(tmp_path)} < everyone


@pytest.mark.parametrize("version", [1, 2])
def test_both_versions_of_the_annotations_are_read(tmp_path: Path, version: int) -> None:
    if version == 1:
        hole = {"path": copies.square(10, 20, 30), "additional_paths": [copies.square(20, 30, 10)]}
    else:
        hole = {"paths": [copies.square(10, 20, 30), copies.square(20, 30, 10)]}
    notes = ({"name": "Lung", "polygon": hole}, OTHER, HEALTHY)
    path = copies.darwin(tmp_path, "17", *notes, version=version)
    assert [mask for _, mask in lungs.find(tmp_path)] == [path]
    assert found(tmp_path) == [("17.png", 0, "v7/17")]
    mask = lungs.read(path)
    assert mask.shape == (96, 120)
    assert mask[25, 15]
    assert not mask[35, 25]
    assert mask[35, 85]
    assert not mask[35, 55]
    assert mask.sum() == 2 * 31**2 - 9**2


def test_the_older_form_of_a_polygon_with_holes_is_read(tmp_path: Path) -> None:
    rings = [copies.square(10, 20, 30), copies.square(20, 30, 10)]
    note = {"name": "Lung", "complex_polygon": {"path": rings}}
    assert lungs.read(copies.darwin(tmp_path, "1", note)).sum() == 31**2 - 9**2


def test_lungs_that_overlap_are_both_lung(tmp_path: Path) -> None:
    over = {"name": "Right lung ", "polygon": {"path": copies.square(20, 30, 30)}}
    ignored = {"name": "Ignore", "polygon": {"path": copies.square(12, 22, 4)}}
    mask = lungs.read(copies.darwin(tmp_path, "1", LUNG, over, ignored))
    assert mask[35, 25]
    assert mask[24, 14]
    assert mask.sum() == 2 * 31**2 - 21**2


@pytest.mark.parametrize(
    ("tags", "label"),
    [
        (["No Pneumonia (healthy)"], 0),
        (["No Finding"], 0),
        (["Bacterial Pneumonia"], 1),
        (["COVID-19", "Viral Pneumonia"], 1),
        (["Male"], None),
        (["No Pneumonia (healthy)", "Viral Pneumonia"], None),
    ],
)
def test_tags_tell_the_label(
    tmp_path: Path, tags: list[str], label: int | None, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.darwin(tmp_path, "1", LUNG, *({"name": tag, "tag": {}} for tag in tags))
    copies.darwin(tmp_path, "2", LUNG, VIRAL)
    labels = {name: label for name, label, _ in found(tmp_path)}
    assert labels.get("1.png") == label
    if label is None:
        assert "1 of 2 annotation files, which have no tag for either" in capsys.readouterr().err


@pytest.mark.parametrize("version", [1, 2])
def test_masks_go_to_the_childrens_own_files_where_names_tell(
    tmp_path: Path, version: int, capsys: pytest.CaptureFixture[str]
) -> None:
    images, folder = chests(tmp_path / "chest_xray"), tmp_path / "v7"
    names = {"1": "IM-0001-0001.jpeg", "2": "IM-0099-0001.jpeg", "3": "person0_virus_1.jpeg"}
    for stem, name in names.items():
        copies.darwin(folder, stem, LUNG, HEALTHY, original=name, version=version)
    copies.darwin(folder, "4", LUNG, VIRAL, original="covid.jpeg", version=version)
    assert found(folder, images) == [
        ("IM-0001-0001.png", 0, "kermany/IM-0001"),
        ("person0_virus_1.png", 1, "kermany/person0"),
        ("4.png", 1, "v7/4"),
    ]
    told = capsys.readouterr().err
    assert "left out 1 of 4 annotation files, which are of no image in train" in told
    assert [name for name, _, _ in found(folder)] == ["1.png", "2.png", "3.png", "4.png"]
    assert lungs.find(folder)[0][0].population == "child"
    assert lungs.find(folder)[3][0].population == "unknown"


def test_what_marks_no_lung_is_left_out_and_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copies.darwin(tmp_path, "1", LUNG, HEALTHY)
    copies.darwin(tmp_path, "1", LUNG, HEALTHY, release="covid-only")
    copies.darwin(tmp_path, "2", HEALTHY, {"name": "Lateral", "tag": {}})
    copies.darwin(tmp_path, "3", LUNG, HEALTHY)
    (tmp_path / "images" / "3.png").unlink()
    for name, content in (("4", "["), ("5", "[]"), ("6", '{"a": 1}')):
        (tmp_path / "releases" / "all-images" / f"{name}.json").write_text(content)
    assert [name for name, _, _ in found(tmp_path)] == ["1.png"]
    told = capsys.readouterr().err
    assert "left out 1 of 6 annotation files, which mark no lung" in told
    assert "left out 1 of 6 annotation files, which are of images that are not there" in told
    assert "left out 3 of 6 annotation files, which are not Darwin's" in told


def test_a_folder_without_masks_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no image with a mask of its lungs"):
        lungs.find(tmp_path)


@pytest.mark.parametrize("name", ["a.png", "a.json"])
def test_a_broken_mask_is_an_error_that_names_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"{")
    with pytest.raises(DataError, match=name):
        lungs.read(tmp_path / name)


def test_an_annotation_without_a_size_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"image": {}, "annotations": []}')
    with pytest.raises(DataError, match=r"does not tell the image's size"):
        lungs.read(tmp_path / "a.json")


def test_the_real_masks(chest_xray_dir: Path) -> None:
    if not (chest_xray_dir / lungs.MASKS).is_dir():
        pytest.skip("no masks lie beside these images")
    marked = lungs.find(chest_xray_dir)
    shares = np.array([lungs.read(mask).mean() for _, mask in marked[::50]])
    assert len(marked) == 1926
    assert ((shares > 0.1) & (shares < 0.7)).all()
