from pathlib import Path

import kagglehub
import pytest

from training.data import download
from training.data.download import DownloadError
from training.data.labelled import LABELS


class Kaggle:
    """Stands in for kagglehub: writes what Kaggle's archive unpacks to."""

    def __init__(self) -> None:
        self.fails: Exception | None = None
        self.folders: tuple[str, ...] = (
            "chest_xray",
            "chest_xray/chest_xray",
            "chest_xray/__MACOSX/chest_xray",
        )

    def dataset_download(self, handle: str, output_dir: str) -> str:
        assert handle == "paultimothymooney/chest-xray-pneumonia"
        for folder in self.folders:
            for part in download.PARTS:
                for label in LABELS:
                    path = Path(output_dir, folder, part, label, f"{part}-{label}.jpeg")
                    path.parent.mkdir(parents=True)
                    path.write_text(folder)
        Path(output_dir, ".complete").mkdir(parents=True)
        if self.fails:
            raise self.fails
        return output_dir


@pytest.fixture
def kaggle(monkeypatch: pytest.MonkeyPatch) -> Kaggle:
    fake = Kaggle()
    monkeypatch.setattr(kagglehub, "dataset_download", fake.dataset_download)
    monkeypatch.setenv("KAGGLE_API_TOKEN", "KGAT_of_nobody")
    return fake


@pytest.fixture
def no_key(kaggle: Kaggle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Kaggle:
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("KAGGLE_CONFIG_DIR", str(tmp_path / "home"))
    return kaggle


def files(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text()
        for path in folder.rglob("*")
        if path.is_file()
    }


EXPECTED = {
    f"{part}/{label}/{part}-{label}.jpeg": "chest_xray"
    for part in download.PARTS
    for label in LABELS
}


@pytest.mark.usefixtures("kaggle")
def test_the_outer_copy_is_kept_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "images"
    assert download.download(folder) == folder
    assert files(folder) == EXPECTED
    assert list(folder.parent.iterdir()) == [folder]


@pytest.mark.usefixtures("kaggle")
def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    assert files(download.download(tmp_path / "images")) == EXPECTED


def test_an_archive_without_the_inner_copy_will_do(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.folders = ("chest_xray",)
    assert files(download.download(tmp_path / "images")) == EXPECTED


@pytest.mark.parametrize("folders", [(), ("chest_xray/__MACOSX/chest_xray",)])
def test_an_archive_without_the_images_is_an_error(
    folders: tuple[str, ...], kaggle: Kaggle, tmp_path: Path
) -> None:
    kaggle.folders = folders
    with pytest.raises(DownloadError, match="no folder with train, test, val"):
        download.download(tmp_path / "images")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("kaggle")
def test_what_is_there_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    for occupied in (tmp_path, tmp_path / "notes.txt"):
        with pytest.raises(DownloadError, match="not an empty directory"):
            download.download(occupied)
    assert files(tmp_path) == {"notes.txt": "mine"}


def test_a_download_that_breaks_off_leaves_nothing(kaggle: Kaggle, tmp_path: Path) -> None:
    kaggle.fails = ConnectionError("connection reset")
    with pytest.raises(DownloadError, match=r"connection reset.*try again.*by hand"):
        download.download(tmp_path / "images")
    assert list(tmp_path.iterdir()) == []


def test_without_a_key_the_message_tells_every_way_to_the_images(
    no_key: Kaggle, tmp_path: Path
) -> None:
    no_key.fails = PermissionError("403 Client Error")
    with pytest.raises(DownloadError) as caught:
        download.download(tmp_path / "images")
    message = str(caught.value)
    assert "There is no Kaggle key" in message
    for way in (
        "kaggle.com/settings/api",
        "KAGGLE_API_TOKEN",
        "~/.kaggle/access_token",
        "~/.kaggle/kaggle.json",
        "rscbjbr9sj",
        f"{tmp_path}/images/train/NORMAL",
    ):
        assert way in message


def test_a_broken_key_file_is_told(no_key: Kaggle, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "kaggle.json").write_text("{")
    no_key.fails = ValueError("Invalid Kaggle credentials file")
    with pytest.raises(DownloadError, match="Invalid Kaggle credentials file"):
        download.download(tmp_path / "images")
