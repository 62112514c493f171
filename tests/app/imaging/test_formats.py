import pytest

from app.imaging.formats import is_dicom


@pytest.mark.parametrize("data", [b"", b"DICM", bytes(131), bytes(128) + b"DICX"])
def test_what_is_no_dicom_file(data: bytes) -> None:
    assert not is_dicom(data)
