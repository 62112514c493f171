"""What tables and DICOM headers tell of a patient and a projection, in the words of `Sample`.

The terms are DICOM's: View Position (0018,5101), Patient's Sex (0010,0040), Patient's Age
(0010,1010).
"""

from training.data.labelled import Population, Sex, View

ADULT_YEARS = 18


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


def population(years: float | None) -> Population:
    """Who is of less than 18 years is a child."""
    if years is None:
        return "unknown"
    return "child" if years < ADULT_YEARS else "adult"
