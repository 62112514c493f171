"""Small copies of the layouts in which the sets are published, with drawn images."""

import csv
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydicom.uid import JPEGBaseline8Bit

from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom

NIH_HEADER = (
    "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,"
    "OriginalImage[Width,Height],OriginalImagePixelSpacing[x,y],"
)
NIH_FINDINGS = {
    "00000001_000.png": "No Finding",
    "00000001_001.png": "Infiltration|Pneumonia",
    "00000002_000.png": "No Finding",
    "00000003_000.png": "Cardiomegaly|Effusion",
    "00000004_000.png": "Pneumonia",
    "00000005_000.png": "Consolidation",
    "00000006_000.png": "No Finding",
}
RSNA_TARGETS = {f"{'normal' if i % 2 else 'sick'}-{i}": (i + 1) % 2 for i in range(8)}
RSNA_HEADER: dict[str, Any] = {"ViewPosition": "PA", "PatientSex": "M", "PatientAge": "58"}
RSNA_CLASSES = {
    name: "Lung Opacity" if target else "Normal" for name, target in RSNA_TARGETS.items()
} | {"normal-1": "No Lung Opacity / Not Normal"}

_SIZE = (96, 120)


def nih(folder: Path, archives: Sequence[str] = ("images",)) -> Path:
    """`NIH_FINDINGS` as *ChestX-ray14*, the images in `archives` by turns."""
    for index, (name, findings) in enumerate(NIH_FINDINGS.items()):
        path = folder / archives[index % len(archives)] / name
        path.parent.mkdir(parents=True, exist_ok=True)
        chest = synthetic.chest(index, pneumonia="Pneumonia" in findings, size=_SIZE)
        path.write_bytes(synthetic.encode(chest))
    rows = [
        f"{name},{findings},{int(name[9:12])},{int(name[:8])},58,M,PA,2682,2749,0.143,0.143,"
        for name, findings in NIH_FINDINGS.items()
    ]
    (folder / "Data_Entry_2017.csv").write_text("\n".join([NIH_HEADER, *rows]) + "\n")
    return folder


def rsna(folder: Path) -> Path:
    """`RSNA_TARGETS` as the challenge's training part: two boxes each, 8-bit JPEG in DICOM.

    The first normal one is not normal otherwise. All are men of 58 years, from the back.

    The last images are what others might put there: MONOCHROME1, and 16 bits with a window.
    """
    images = folder / "stage_2_train_images"
    images.mkdir(parents=True)
    for index, (name, target) in enumerate(RSNA_TARGETS.items()):
        chest = synthetic.chest(index, pneumonia=bool(target), size=_SIZE)
        if index == len(RSNA_TARGETS) - 1:
            content = dicom(255 - chest, PhotometricInterpretation="MONOCHROME1", **RSNA_HEADER)
        elif index == len(RSNA_TARGETS) - 2:
            window: dict[str, Any] = {"WindowCenter": 2040, "WindowWidth": 4081}
            content = dicom(chest.astype("uint16") * 16, **window, **RSNA_HEADER)
        else:
            content = dicom(chest, syntax=JPEGBaseline8Bit, **RSNA_HEADER)
        (images / f"{name}.dcm").write_bytes(content)
    write_targets(
        folder,
        [
            box
            for name, target in RSNA_TARGETS.items()
            for box in [(name, *((9, 9, 30, 30) if target else [""] * 4), target)] * (1 + target)
        ],
    )
    with (folder / "stage_2_detailed_class_info.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("patientId", "class"), *RSNA_CLASSES.items()])
    return folder


def write_targets(folder: Path, rows: Iterable[Sequence[object]]) -> None:
    with (folder / "stage_2_train_labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patientId", "x", "y", "width", "height", "Target"])
        writer.writerows(rows)


def table(folder: Path, rows: Iterable[Mapping[str, object]]) -> Path:
    """A `manifest.csv` of the rows, whose columns are those of the first, and their images."""
    rows = list(rows)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "manifest.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    for index, row in enumerate(rows):
        path = folder / str(row["file"])
        path.parent.mkdir(exist_ok=True)
        chest = synthetic.chest(index, pneumonia=row["label"] == "PNEUMONIA", size=_SIZE)
        path.write_bytes(synthetic.encode(chest))
    return folder


def square(left: int, top: int, side: int) -> list[dict[str, float]]:
    """The corners of a square, as Darwin writes points."""
    right, bottom = left + side, top + side
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    return [{"x": float(x), "y": float(y)} for x, y in corners]


def darwin(
    folder: Path,
    stem: str,
    *notes: Mapping[str, Any],
    original: str = "",
    version: int = 1,
    release: str = "all-images",
    size: tuple[int, int] = (120, 96),
) -> Path:
    """An annotation file of V7's set and its image, of a width and a height."""
    width, height = size
    name = f"{stem}.png"
    entry: dict[str, Any]
    if version == 1:
        image = {"filename": name, "original_filename": original or name}
        entry = {"dataset": "COVID-19", "image": image | {"width": width, "height": height}}
    else:
        source = {"file_name": original or name, "url": "https://example.org/1"}
        slot = {"slot_name": "0", "type": "image", "width": width, "height": height}
        slots = [slot | {"source_files": [source]}]
        entry = {"version": "2.0", "item": {"name": name, "path": "/", "slots": slots}}
    path = folder / "releases" / release / "annotations" / f"{stem}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(entry | {"annotations": list(notes)}))
    (folder / "images").mkdir(exist_ok=True)
    chest = synthetic.chest(0, pneumonia=False, size=(height, width))
    (folder / "images" / name).write_bytes(synthetic.encode(chest))
    return path
