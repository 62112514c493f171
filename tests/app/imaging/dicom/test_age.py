import pytest
from pydicom import Dataset

from app.codes import AgeGroup
from app.imaging.dicom.age import age_group_of, years_of


def dataset(**elements: str) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


@pytest.mark.parametrize(
    ("text", "years"),
    [
        ("58", 58),
        ("058Y", 58),
        ("58.5", 58.5),
        ("018M", 1.5),
        ("026w", 0.4983),
        ("000D", 0),
        ("120", 120),
        ("0414", None),
        ("-1", None),
        ("nan", None),
        ("old", None),
        ("", None),
        ("9" * 400, None),
    ],
)
def test_an_age_string(text: str, years: float | None) -> None:
    found = years_of(text)
    assert found == (years if years is None else pytest.approx(years, abs=1e-4))


@pytest.mark.parametrize(
    ("age", "group"),
    [
        ("011M", "0-5"),
        ("005Y", "0-5"),
        ("006Y", "6-17"),
        ("017Y", "6-17"),
        ("018Y", "18-39"),
        ("040Y", "40-64"),
        ("065Y", "65+"),
        ("119Y", "65+"),
    ],
)
def test_the_group_is_by_completed_years(age: str, group: str) -> None:
    assert age_group_of(dataset(PatientAge=age)) == group


@pytest.mark.parametrize(
    ("birth", "study", "group"),
    [
        ("20080302", "20260301", AgeGroup.UP_TO_17),
        ("20080301", "20260301", AgeGroup.UP_TO_39),
        ("2008.03.01", "2026.03.01", AgeGroup.UP_TO_39),
        ("20260302", "20260301", AgeGroup.UNKNOWN),
        ("17000101", "20260301", AgeGroup.UNKNOWN),
        ("", "20260301", AgeGroup.UNKNOWN),
        ("1.3.2008", "20260301", AgeGroup.UNKNOWN),
        ("20080301", "20261301", AgeGroup.UNKNOWN),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_without_an_age_the_dates_tell_it(birth: str, study: str, group: AgeGroup) -> None:
    assert age_group_of(dataset(PatientBirthDate=birth, StudyDate=study)) == group


def test_what_says_nothing_is_unknown() -> None:
    assert age_group_of(Dataset()) == AgeGroup.UNKNOWN
