"""Small copies of the layouts in which the sets are published, with drawn images."""

import csv
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydicom.uid import JPEGBaseline8Bit

from tests import synthetic
from tests.app.imaging.dicoms import dicom

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

    The last images are what others might put there: MONOCHROME1, and 16 bits with a window.
    """
    images = folder / "stage_2_train_images"
    images.mkdir(parents=True)
    for index, (name, target) in enumerate(RSNA_TARGETS.items()):
        chest = synthetic.chest(index, pneumonia=bool(target), size=_SIZE)
        if index == len(RSNA_TARGETS) - 1:
            content = dicom(255 - chest, PhotometricInterpretation="MONOCHROME1")
        elif index == len(RSNA_TARGETS) - 2:
            content = dicom(chest.astype("uint16") * 16, WindowCenter=2040, WindowWidth=4081)
        else:
            content = dicom(chest, syntax=JPEGBaseline8Bit)
        (images / f"{name}.dcm").write_bytes(content)
    write_targets(
        folder,
        [
            box
            for name, target in RSNA_TARGETS.items()
            for box in [(name, *((9, 9, 30, 30) if target else [""] * 4), target)] * (1 + target)
        ],
    )
    return folder


def write_targets(folder: Path, rows: Iterable[Sequence[object]]) -> None:
    with (folder / "stage_2_train_labels.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["patientId", "x", "y", "width", "height", "Target"])
        writer.writerows(rows)
