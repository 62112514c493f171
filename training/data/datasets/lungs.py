"""Chest X-rays with their lungs marked by people, in two layouts.

Drawn masks beside *Chest X-Ray Images (Pneumonia)*, or beside images laid out like it:

    folder/train/{NORMAL,PNEUMONIA}/STEM.jpeg
    folder/lungs/{NORMAL,PNEUMONIA}/STEM.png    white is lung, of any size, in the image's frame

V7's *COVID-19 X-ray dataset* (https://github.com/v7labs/covid-19-xray-dataset; annotations under
CC BY 4.0), as `darwin dataset pull v7-labs/covid-19-chest-x-ray-dataset:all-images` lays it out:

    folder/images/*
    folder/releases/all-images/annotations/*.json

with an image's polygons in each JSON file, in Darwin's format, version 1 or 2
(https://docs.v7labs.com/reference/darwin-json). Its quirks:

- Of about 6,500 images, 5,863 are those of *Chest X-Ray Images (Pneumonia)*, its test images
  among them. Where that set's folder is given and a JSON file tells an image's name there, the
  mask goes to the file of that name in `train`; it is left out where `train` has no such file,
  since it then is a test image. Where the JSON files do not tell those names, nothing tells the
  test images, and a lung finder learns from them, too.
- Both lungs are marked with polygons of the class `Lung`, each with what lies behind the heart,
  down to the diaphragm. Lateral films and CT slices have none, and are left out.
- Tags tell the label: `No Pneumonia (healthy)`, a kind of pneumonia, `COVID-19`. Without such a tag
  an image is left out.
- `Ignore` marks pacemakers and writing; they stay part of the lung that they lie on.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from training.data.datasets import kermany
from training.data.datasets.tables import among_sets, tell
from training.data.labelled import LABELS, DataError, Sample

Masked = tuple[Sample, Path]
"""An image, and the file that marks its lungs, which `read` reads."""

SOURCE = "v7"
MASKS = "lungs"

_LUNGS = {"lung", "lungs", "left lung", "right lung"}
_HEALTHY = {"no pneumonia (healthy)", "no finding"}
_SICK = {"covid-19", "mers", "sars"}


def find(folder: Path, images: Path | None = None) -> list[Masked]:
    """The images whose lungs are marked, each with its mask, in the order of the masks' names.

    Patients are named as `datasets.find_all` names them, so that whom it splits off to measure on
    can be kept from a lung finder, too.

    Args:
        folder: what holds the masks, in either layout.
        images: with V7's layout, the folder of *Chest X-Ray Images (Pneumonia)* with its `train`.

    Raises:
        DataError: no image with a mask is there.
    """
    drawn = (folder / MASKS).is_dir()
    found = _drawn(folder) if drawn else _annotated(folder, images)
    if not found:
        raise DataError(f"{folder} holds no image with a mask of its lungs.")
    return [(among_sets(sample), mask) for sample, mask in found]


def read(path: Path) -> npt.NDArray[np.bool_]:
    """Where the lungs are, `[height, width]`, from a picture or a Darwin JSON file.

    The frame is that of the whole image; the size may be another.

    Raises:
        DataError: the file cannot be read.
    """
    if path.suffix.lower() == ".json":
        annotations = _read_json(path)
        if annotations is None:
            raise DataError(f"{path} is not a Darwin JSON file.")
        return _rasterised(annotations, path)
    mask = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if mask is None:
        raise DataError(f"The mask {path} cannot be read.")
    return np.asarray(mask > 127)


def _drawn(folder: Path) -> list[Masked]:
    found: list[Masked] = []
    missing = 0
    for label, name in enumerate(LABELS):
        images = _by_stem(folder / "train" / name)
        for mask in sorted((folder / MASKS / name).glob("*.png")):
            if image := images.get(mask.stem):
                found.append((kermany.sample(image, label), mask))
            else:
                missing += 1
    if missing:
        total = len(found) + missing
        tell(folder, f"left out {missing:,} of {total:,} masks, whose images are not there")
    return found


def _annotated(folder: Path, images: Path | None) -> list[Masked]:
    own = {path.name: path for path in (folder / "images").rglob("*") if path.is_file()}
    # The same image may be in several releases.
    files = {path.name: path for path in sorted(folder.rglob("*.json"), reverse=True)}
    train = None if images is None else _train(images)
    found: list[Masked] = []
    left_out: Counter[str] = Counter()
    for _, path in sorted(files.items()):
        sample = _find_image(_read_json(path), own, train)
        if isinstance(sample, Sample):
            found.append((sample, path))
        else:
            left_out[sample] += 1
    for why, count in left_out.items():
        tell(folder, f"left out {count:,} of {len(files):,} annotation files, which {why}")
    return found


def _train(images: Path) -> dict[str, Sample]:
    """The training images of *Chest X-Ray Images (Pneumonia)* by stem."""
    return {
        stem: kermany.sample(path, label)
        for label, name in enumerate(LABELS)
        for stem, path in _by_stem(images / "train" / name).items()
    }


def _find_image(
    item: Mapping[str, Any] | None, own: Mapping[str, Path], train: Mapping[str, Sample] | None
) -> Sample | str:
    """The image of a JSON file, or why the file is left out.

    Args:
        item: the file's content, None where it is not Darwin's.
        own: V7's copies of the images by name.
        train: what `_train` says, None where V7's copies are to be taken.
    """
    if item is None:
        return "are not Darwin's"
    if not any(_lungs(item)):
        return "mark no lung"
    names = _names(item)
    named = next((name for name in names if kermany.is_named(Path(name))), None)
    if named and train is not None:
        return train.get(Path(named).stem, "are of no image in train")
    label = _label(item)
    if label is None:
        return "have no tag for either label"
    image = next((own[name] for name in names if name in own), None)
    if image is None:
        return "are of images that are not there"
    return Sample(
        image,
        label,
        kermany.patient(Path(named), label) if named else image.stem,
        source=kermany.SOURCE if named else SOURCE,
        population="child" if named else "unknown",
        label_origin="V7's tags",
    )


def _by_stem(folder: Path) -> dict[str, Path]:
    return {p.stem: p for p in sorted(folder.rglob("*")) if p.suffix.lower() in kermany.SUFFIXES}


def _read_json(path: Path) -> dict[str, Any] | None:
    """The file's content; None where it is not Darwin JSON of an image."""
    try:
        item = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    known = isinstance(item, dict) and "annotations" in item and ("image" in item or "item" in item)
    return item if known else None


def _names(item: Mapping[str, Any]) -> list[str]:
    """What the image's file may be called: here, and where it was uploaded from."""
    image, entry = item.get("image", {}), item.get("item", {})
    sources = chain.from_iterable(slot.get("source_files", []) for slot in entry.get("slots", []))
    names = [
        image.get("filename"),
        image.get("original_filename"),
        entry.get("name"),
        *(source.get("file_name") for source in sources),
    ]
    return [Path(name).name for name in names if name]


def _label(item: Mapping[str, Any]) -> int | None:
    tags = {note.get("name", "").strip().lower() for note in item["annotations"] if "tag" in note}
    healthy = bool(tags & _HEALTHY)
    sick = bool(tags & _SICK) or any("pneumonia" in tag for tag in tags - _HEALTHY)
    return int(sick) if healthy != sick else None


def _lungs(item: Mapping[str, Any]) -> Iterator[list[npt.NDArray[np.int32]]]:
    """Each lung's rings, `[points, 2]` of x and y; a ring inside another one is a hole."""
    for note in item["annotations"]:
        if note.get("name", "").strip().lower() not in _LUNGS:
            continue
        if polygon := note.get("polygon"):
            rings = polygon.get("paths") or [polygon["path"], *polygon.get("additional_paths", [])]
        elif polygon := note.get("complex_polygon"):
            rings = polygon["path"]
        else:
            continue
        yield [
            np.array([(point["x"], point["y"]) for point in ring]).round().astype(np.int32)
            for ring in rings
            if ring
        ]


def _rasterised(item: Mapping[str, Any], path: Path) -> npt.NDArray[np.bool_]:
    slots: Sequence[Mapping[str, Any]] = item.get("item", {}).get("slots", [])
    size = item.get("image") or (slots[0] if slots else {})
    if not (size.get("height") and size.get("width")):
        raise DataError(f"{path} does not tell the image's size.")
    mask = np.zeros((size["height"], size["width"]), np.uint8)
    for rings in _lungs(item):
        cv2.fillPoly(mask, rings, 1)
    return mask.astype(np.bool_)
