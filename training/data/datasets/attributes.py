"""What tables and DICOM headers tell of a patient and a projection, in the words of `Sample`.

The terms are DICOM's: View Position (0018,5101), Patient's Sex (0010,0040), Patient's Age
(0010,1010), an Age String (PS3.5, 6.2) or a plain number of years, as in published tables.
"""

import math
import re

from training.data.labelled import Population, Sex, View

ADULT_YEARS = 18

_OLDEST = 120
_AGE = re.compile(r"(\d+(?:\.\d+)?)([YMWD]?)", re.IGNORECASE)
_PER_YEAR = {"": 1, "Y": 1, "M": 12, "W": 365.25 / 7, "D": 365.25}


def view(text: str) -> View:
    """AP or PA, however the patient lay or stood ("AP Supine"); empty for any other word."""
    match text.upper().split():
        case ["AP", *_]:
            return "AP"
        case ["PA", *_]:
            return "PA"
    return ""


def sex(text: str) -> Sex:
    """F or M, also written out; empty for any other word."""
    match text.strip().upper():
        case "F" | "FEMALE":
            return "F"
        case "M" | "MALE":
            return "M"
    return ""


def age(text: str) -> float | None:
    """Years of "58", "058Y", "018M", "3W" or "012D"; None for what is no age.

    *ChestX-ray14* has patients of up to 414 years, so more than 120 is no age either.
    """
    found = _AGE.fullmatch(text.strip())
    if not found:
        return None
    years = float(found[1]) / _PER_YEAR[found[2].upper()]
    return years if math.isfinite(years) and years <= _OLDEST else None


def population(years: float | None) -> Population:
    """Who is of less than 18 years is a child."""
    if years is None:
        return "unknown"
    return "child" if years < ADULT_YEARS else "adult"
