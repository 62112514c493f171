import pytest

from app.dicom_results.kinds import KINDS, REPORT, USUAL, named


def test_the_report_is_sent_last() -> None:
    assert KINDS[-1] == REPORT == sorted(KINDS)[-1]
    assert set(USUAL) <= set(KINDS)


def test_kinds_are_named_in_any_order() -> None:
    assert named(" report, lungs ,") == ("report", "lungs")


@pytest.mark.parametrize("names", ["", "lungs", "report,overlays", "fhir,report"])
def test_other_names_and_none_without_the_report(names: str) -> None:
    with pytest.raises(ValueError, match="of evidence, lungs, overlay, report, with report always"):
        named(names)
