import logging
import warnings

import pytest

import app.imaging
import app.results  # noqa: F401


@pytest.mark.parametrize(
    "name",
    ["pydicom", "pydicom.pixels.decoders.base", "PIL", "PIL.TiffImagePlugin", "highdicom.base"],
)
def test_nothing_of_a_library_or_its_modules_is_logged(
    name: str, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        logging.getLogger(name).critical("Doe^Jane")
        try:
            raise ValueError("Doe^Jane")
        except ValueError:
            logging.getLogger(name).exception("Doe^Jane")
    assert not caplog.records
    assert capsys.readouterr() == ("", "")


def test_nothing_is_warned_of(recwarn: pytest.WarningsRecorder) -> None:
    for module in ("PIL.TiffImagePlugin", "pydicom.valuerep", "pydicom"):
        warnings.warn_explicit("Doe^Jane", UserWarning, "file.py", 1, module=module)
    assert not [warning for warning in recwarn if "Doe" in str(warning.message)]
