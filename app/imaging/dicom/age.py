"""How old the patient of a DICOM image is, as a group.

The age itself goes no further than this module.
"""

import math
import re
from datetime import date

from pydicom import Dataset

from app.codes import AgeGroup
from app.imaging.dicom.attributes import code

_OLDEST = 120
_AGE = re.compile(r"(\d+(?:\.\d+)?)([YMWD]?)", re.IGNORECASE)
# Old files have points in it (PS3.5, 6.2).
_DATE = re.compile(r"(\d{4})(\.?)(\d\d)\2(\d\d)", re.ASCII)
_PER_YEAR = {"": 1, "Y": 1, "M": 12, "W": 365.25 / 7, "D": 365.25}
# By the years that are too many for it.
_GROUPS = {
    6: AgeGroup.UP_TO_5,
    18: AgeGroup.UP_TO_17,
    40: AgeGroup.UP_TO_39,
    65: AgeGroup.UP_TO_64,
    math.inf: AgeGroup.FROM_65,
}


def age_group_of(dataset: Dataset) -> AgeGroup:
    """The group by PatientAge, or else by PatientBirthDate on the day of StudyDate."""
    found = years_of(code(dataset, "PatientAge"))
    if found is None:
        found = _between(_date(dataset, "PatientBirthDate"), _date(dataset, "StudyDate"))
    if found is None:
        return AgeGroup.UNKNOWN
    return next(group for end, group in _GROUPS.items() if found < end)


def years_of(text: str) -> float | None:
    """Years of an Age String (PS3.5, 6.2) or of a plain number; None for what is no age.

    They are "58", "058Y", "018M", "3W" or "012D". *ChestX-ray14* has patients of up to 414 years,
    so more than 120 is no age either.
    """
    found = _AGE.fullmatch(text.strip())
    if not found:
        return None
    age = float(found[1]) / _PER_YEAR[found[2].upper()]
    return age if age <= _OLDEST else None


def _between(birth: date | None, study: date | None) -> int | None:
    """Completed years."""
    if birth is None or study is None:
        return None
    age = study.year - birth.year - ((study.month, study.day) < (birth.month, birth.day))
    return age if 0 <= age <= _OLDEST else None


def _date(dataset: Dataset, keyword: str) -> date | None:
    found = _DATE.fullmatch(code(dataset, keyword))
    try:
        return date(int(found[1]), int(found[3]), int(found[4])) if found else None
    except ValueError:
        return None
