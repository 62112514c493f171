from typing import Any

import pytest
from pydicom import Dataset, Sequence

from app.codes import View
from app.imaging.dicom.anatomy import is_another_part, is_lateral, view_of


def dataset(**elements: Any) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


def coded(*codes: str, scheme: str = "SCT") -> Sequence:
    items = Sequence()
    for code in codes:
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator = code, scheme
        items.append(item)
    return items


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "view",
    [
        *("LL", "RL", "LAT", "LATERAL", "L LAT", "LLAT", "RLAT", "LT LAT", "LTLAT", "left lateral"),
        *("LATERAL LEFT", "LATERAL_LEFT", "LAT-L", "RIGHT LATERAL", "XTABLE LATERAL", "XTLAT"),
        *("X-TABLE LAT", "CHEST LAT", "LATERALE", "LATERO-LATERALE", "PROFIL", "PROFIL GAUCHE"),
        *("DE PROFIL", "PROFILE", "PROFILO", "PERFIL", "SEITLICH", "SEITL", "DWARS", "LL VIEW"),
        "DORSAL DECUBITUS LATERAL",
    ],
)
def test_lateral_views(view: str) -> None:
    assert is_lateral(dataset(ViewPosition=view))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "view",
    [
        *(
            "",
            "PA",
            "AP",
            "LLD",
            "RLD",
            "RLO",
            "LAO",
            "LPO",
            "BILATERAL",
            "AP BILATERAL",
            "FRONTAL",
        ),
        *("LEFT LATERAL DECUBITUS", "LAT DECUB", "PLATE", "SUPINE", "AP_PORTABLE", "LLO", "GIRL"),
    ],
)
def test_other_views(view: str) -> None:
    assert not is_lateral(dataset(ViewPosition=view))


@pytest.mark.parametrize(
    ("codes", "scheme", "lateral"),
    [
        (["399067008"], "SCT", True),
        (["R-10236"], "SRT", True),
        (["399348003"], "SCT", False),
        (["399067008"], "99OWN", False),
    ],
)
def test_view_codes(codes: list[str], scheme: str, lateral: bool) -> None:
    assert is_lateral(dataset(ViewCodeSequence=coded(*codes, scheme=scheme))) == lateral


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "part",
    [
        *("", "CHEST", "chest ", "Thorax PA", "LUNG", "LUNGS", "CHESTABDOMEN", "NECKCHEST", "CXR"),
        *("TORAX", "TÓRAX", "TORACE", "THORAX AP", "TORAX Y ABDOMEN", "POUMONS", "PULMON", "RTX"),
        *("UNKNOWN", "UNDEFINED", "N/A", "NA", "OTHER", "NONE", "DEFAULT", "ANY", "---", "1"),
        *(
            "MEDIASTINUM",
            "HEART",
            "WHOLEBODY",
            "CHEST SPINE",
            "PORTABLE",
            "CHST",
            "KLATKA PIERSIOWA",
        ),
        *("BRUSTKORB", "KLATKA PIERSIOWA"),
    ],
)
def test_a_chest_or_nothing_known_is_no_other_part(part: str) -> None:
    assert not is_another_part(dataset(BodyPartExamined=part))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    "part",
    [
        *("HAND", "hand", "HANDS", "LEFT HAND", "HAND_L", "KNEE", "KNEES", "FEET", "HIP", "PELVIS"),
        *("SKULL", "ABDOMEN", "ABDOMEN AP", "ABDOMENPELVIS", "TSPINE", "T-SPINE", "T SPINE"),
        *("THORACIC SPINE", "LUMBAR SPINE", "CSPINE", "SPINE", "LWS", "COLUMNA TORACICA", "RIB"),
        *("RIBS", "SHOULDER", "EXTREMITY", "KNIE", "RODILLA", "GENOU", "BECKEN", "SCHÄDEL", "MANO"),
        *("FUß", "JOELHO", "CLAVICLE", "STERNUM", "BREAST"),
    ],
)
def test_what_is_known_to_be_another_part(part: str) -> None:
    assert is_another_part(dataset(BodyPartExamined=part))


@pytest.mark.parametrize(
    ("codes", "scheme", "other"),
    [
        (["T-D3000"], "SRT", False),
        (["816094009"], "SCT", False),
        (["T-D8700"], "SRT", True),
        (["85562004"], "SCT", True),
        (["85562004", "816094009"], "SCT", False),
        (["38266002"], "SCT", False),  # entire body
        (["123456789"], "SCT", False),
        (["T-D8700"], "99OWN", False),
    ],
)
def test_region_codes(codes: list[str], scheme: str, other: bool) -> None:
    region = coded(*codes, scheme=scheme)
    assert is_another_part(dataset(AnatomicRegionSequence=region)) == other


def test_sequences_that_are_none_say_nothing() -> None:
    odd = dataset(ViewPosition="PA")
    odd.add_new("AnatomicRegionSequence", "LO", "HAND")
    odd.add_new("ViewCodeSequence", "LO", "LAT")
    assert not is_lateral(odd)
    assert not is_another_part(odd)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("position", "view"),
    [
        *(("AP", View.AP), ("PA", View.PA), ("ap supine", View.AP), ("AP_PORTABLE", View.AP)),
        *(("CHEST PA", View.PA), ("LL", View.LATERAL), ("PROFIL", View.LATERAL)),
        *(("LLD", View.OTHER), ("PANORAMA", View.OTHER), ("", View.UNKNOWN)),
    ],
)
def test_the_view_by_its_position(position: str, view: View) -> None:
    assert view_of(dataset(ViewPosition=position)) == view


@pytest.mark.parametrize(
    ("code", "view"),
    [
        *(("399348003", View.AP), ("R-10206", View.AP), ("272479007", View.PA)),
        *(("R-10214", View.PA), ("399067008", View.LATERAL), ("399135007", View.OTHER)),
    ],
)
def test_the_view_by_its_code(code: str, view: View) -> None:
    coded_only = dataset(ViewCodeSequence=coded(code, scheme="SRT" if "-" in code else "SCT"))
    assert view_of(coded_only) == view


def test_a_position_counts_more_than_a_code() -> None:
    assert view_of(dataset(ViewPosition="PA", ViewCodeSequence=coded("399348003"))) == View.PA
    assert view_of(Dataset()) == View.UNKNOWN
