"""Fetch *Chest X-Ray Images (Pneumonia)* from Kaggle.

The archive holds `chest_xray/{train,test,val}` and, in that `chest_xray` too, a second copy of
everything and a `__MACOSX` folder of resource forks that carry the images' names.
"""

import tempfile
from pathlib import Path

from training.data.labelled import LABELS

HANDLE = "paultimothymooney/chest-xray-pneumonia"
PARTS = ("train", "test", "val")

_KEY = (
    "There is no Kaggle key: make a token at https://www.kaggle.com/settings/api and put it into"
    " the environment variable KAGGLE_API_TOKEN or the file ~/.kaggle/access_token (an older"
    " kaggle.json: ~/.kaggle/kaggle.json). Then try again"
)
_AGAIN = "Check the network and the key, and try again"
_BY_HAND = (
    f"download the images by hand from https://www.kaggle.com/datasets/{HANDLE} or from Mendeley"
    " Data, https://doi.org/10.17632/rscbjbr9sj, and unpack them so that {folder}/train/NORMAL"
    " exists"
)


class DownloadError(Exception):
    """The images could not be fetched; the message says what to do."""


def download(folder: Path) -> Path:
    """Leave the images in `folder/{train,test,val}/{NORMAL,PNEUMONIA}`; returns `folder`.

    They are downloaded beside `folder`, and become it once they are complete.

    Raises:
        DownloadError: `folder` is not empty, or the download failed.
    """
    target = folder.resolve()
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise DownloadError(f"{folder} exists and is not an empty directory.")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as temporary:
        archive, images = Path(temporary, "archive"), Path(temporary, "images")
        _fetch(archive, folder)
        root = _root(archive)
        for part in PARTS:
            (images / part).mkdir(parents=True)
            for label in LABELS:
                (root / part / label).rename(images / part / label)
        images.rename(target)
    return folder


def _fetch(archive: Path, folder: Path) -> None:
    import kagglehub

    try:
        kagglehub.dataset_download(HANDLE, output_dir=str(archive))
    # kagglehub answers a broken key file, a refused key, a missing network and a broken archive
    # with errors of many types; the ways on are the same.
    except Exception as error:
        way = _AGAIN if _has_key() else _KEY
        raise DownloadError(
            f"Kaggle's download failed: {error}. {way}, or {_BY_HAND.format(folder=folder)}."
        ) from error


def _has_key() -> bool:
    from kagglehub.config import get_kaggle_credentials

    try:
        return get_kaggle_credentials() is not None
    except ValueError:  # there is a key file, but a broken one, and the message above says so
        return True


def _root(archive: Path) -> Path:
    """The outermost folder that holds all parts."""
    for train in sorted(archive.rglob("train"), key=lambda path: len(path.parts)):
        root = train.parent
        whole = all((root / part / label).is_dir() for part in PARTS for label in LABELS)
        if whole and "__MACOSX" not in root.relative_to(archive).parts:
            return root
    raise DownloadError(f"Kaggle's archive of {HANDLE} has no folder with {', '.join(PARTS)}.")
