"""The codes that programs go by.

In an answer: labels, warnings, and why a person should read on. In metrics and tables: what a DICOM
image says of itself.
"""

from enum import StrEnum


class Label(StrEnum):
    """What an image shows.

    It is `INDETERMINATE` where the image is unlike what the model learnt from. Neither of the
    others would be true then, and whoever reads nothing but the label must not take a hand for a
    lung with pneumonia, nor for a healthy one.
    """

    NORMAL = "NORMAL"
    PNEUMONIA = "PNEUMONIA"
    INDETERMINATE = "INDETERMINATE"


class WarningCode(StrEnum):
    """What an answer is given in spite of."""

    NO_LUNGS_FOUND = "no_lungs_found"
    NOT_LIKE_A_CHEST_XRAY = "not_like_a_chest_xray"
    LUNGS_CUT_OFF = "lungs_cut_off"
    LOW_RESOLUTION = "low_resolution"
    LATERAL_VIEW = "lateral_view"
    NOT_A_CHEST = "not_a_chest"
    MULTIPLE_FRAMES = "only_the_first_frame_was_read"
    BURNED_IN_ANNOTATION = "burned_in_annotation"
    CONTRADICTING_POLARITY = "contradicting_polarity"


class View(StrEnum):
    """The projection that a DICOM image is said to be of."""

    AP = "AP"
    PA = "PA"
    LATERAL = "lateral"
    OTHER = "other"
    UNKNOWN = "unknown"


class AgeGroup(StrEnum):
    """Whom a DICOM image is said to be of, by completed years.

    Groups are so wide that none tells who a patient is.
    """

    UP_TO_5 = "0-5"
    UP_TO_17 = "6-17"
    UP_TO_39 = "18-39"
    UP_TO_64 = "40-64"
    FROM_65 = "65+"
    UNKNOWN = "unknown"


# Of what is no image to read, but a result of this program.
OWN_RESULT = "own_result"
# A result in a study answers nobody who could know better, so these get none there.
NO_RESULT_IN_A_STUDY = frozenset({WarningCode.LATERAL_VIEW, WarningCode.NOT_A_CHEST})


class Reason(StrEnum):
    """Why a person should read the image: no label can be excluded, or any warning."""

    BOTH_LABELS_POSSIBLE = "both_labels_possible"
    NO_LUNGS_FOUND = "no_lungs_found"
    NOT_LIKE_A_CHEST_XRAY = "not_like_a_chest_xray"
    LUNGS_CUT_OFF = "lungs_cut_off"
    LOW_RESOLUTION = "low_resolution"
    LATERAL_VIEW = "lateral_view"
    NOT_A_CHEST = "not_a_chest"
    MULTIPLE_FRAMES = "only_the_first_frame_was_read"
    BURNED_IN_ANNOTATION = "burned_in_annotation"
    CONTRADICTING_POLARITY = "contradicting_polarity"
