"""What a DICOM image's attributes say of the view and of the part of the body.

They are often wrong, left at what a device says by default, or written in the words of a hospital:
what is not known to say something else says nothing.
"""

import re
import unicodedata

from pydicom import Dataset

from app.codes import View
from app.imaging.dicom.attributes import code, items

# By the beginning of a word, since "BILATERAL" is no lateral view and "LATERAL LEFT" is one. Beside
# English, as devices write it that speak French, Italian, Spanish, Portuguese, German, Dutch or
# Polish.
_LATERAL = re.compile(
    r"(?<![^\W_])((LL|RL)(?![^\W_])|([LR]T?|LEFT|RIGHT|XT?)?LAT|PROFIL|PERFIL|SEITL|ZIJDEL|DWARS|BOCZN)"
)
# A frontal view of a patient who lies on a side (PS3.3, C.8.1.1.1 and C.8.11.5: LLD and RLD).
_DECUBITUS = re.compile(r"LAT(ERAL)?[\W_]*DEC")
_CHEST = re.compile(r"CHEST|CHST|CXR|THORA|TORA[CKX]|LUNG|PULM|POUMON|BRUSTKORB|KLATK|HRUDN")
# The thoracic spine is named after the chest.
_SPINE = re.compile(r"SPINE|SPINAL|COLUMN|COLUNA|COLONNA|RACHIS|WIRBEL|VERTEBR|WERVEL|\b[BHL]WS\b")
_CHEST_BESIDE_SPINE = re.compile(r"CHEST|LUNG")

# PS3.16, annex L, but what a chest X-ray shows too (heart, mediastinum, the whole body), and what
# the commonest of these are called in the languages above. Without accents, in the singular.
_OTHER_PARTS = frozenset(
    [
        *("HEAD", "SKULL", "CRANIUM", "BRAIN", "FACE", "FACIAL", "NOSE", "NASAL", "ORBIT", "EYE"),
        *("SINUS", "SINUSES", "JAW", "MANDIBLE", "MAXILLA", "ZYGOMA", "TMJOINT", "TMJ", "EAR"),
        *("MASTOID", "MASTOIDS", "MOUTH", "TEETH", "TOOTH", "DENTAL", "NECK", "HEADNECK"),
        *("CRANE", "CRANIO", "CRANEO", "SCHADEL", "SCHAEDEL", "SCHEDEL", "KOPF", "HALS", "TETE"),
        *("CSPINE", "TSPINE", "LSPINE", "SSPINE", "CTSPINE", "TLSPINE", "LSSPINE", "COCCYX"),
        *("SACRUM", "SACROILIAC", "SIJOINT"),
        *("ABDOMEN", "ABDOMENPELVIS", "ABDOME", "ADDOME", "BAUCH", "BUIK", "KUB", "STOMACH"),
        *("COLON", "KIDNEY", "BLADDER", "LIVER", "ESOPHAGUS", "DUODENUM", "ILEUM", "JEJUNUM"),
        *("RECTUM", "URETER", "URETHRA", "UTERUS", "GALLBLADDER", "PROSTATE", "SPLEEN"),
        *("PELVIS", "BASSIN", "BACINO", "BACIA", "BECKEN", "BEKKEN", "HIP", "HANCHE", "ANCA"),
        *("CADERA", "QUADRIL", "HUFTE", "HUEFTE", "HEUP", "ILIUM"),
        *("EXTREMITY", "UPPEREXTREMITY", "LOWEREXTREMITY", "ARM", "HUMERUS", "ELBOW", "FOREARM"),
        *("RADIUS", "ULNA", "WRIST", "HAND", "FINGER", "THUMB", "SHOULDER", "CLAVICLE", "SCAPULA"),
        *("ACJOINT", "AXILLA", "COUDE", "CODO", "GOMITO", "COTOVELO", "ELLENBOGEN", "ELLBOGEN"),
        *("ELLEBOOG", "POIGNET", "MUNECA", "POLSO", "PUNHO", "HANDGELENK", "POLS", "MANO", "MAO"),
        *("EPAULE", "HOMBRO", "SPALLA", "OMBRO", "SCHULTER", "SCHOUDER", "OBERARM", "UNTERARM"),
        *("LEG", "THIGH", "FEMUR", "KNEE", "PATELLA", "TIBIA", "FIBULA", "CALF", "ANKLE", "FOOT"),
        *("FEET", "TOE", "CALCANEUS", "HEEL", "TARSUS", "GENOU", "RODILLA", "GINOCCHIO", "JOELHO"),
        *("KNIE", "CHEVILLE", "TOBILLO", "CAVIGLIA", "TORNOZELO", "SPRUNGGELENK", "ENKEL", "PIED"),
        *("PIEDE", "FUSS", "VOET", "OBERSCHENKEL", "UNTERSCHENKEL", "ZEH", "ZEHE"),
        *("RIB", "STERNUM", "BREAST"),
    ]
)

# SNOMED CT, and SNOMED RT as older files have it (PS3.16, CID 4010 and 4031).
_SNOMED = ("SCT", "SRT", "SNM3", "99SDM")
_FRONTAL_CODES = {
    View.AP: {"399348003", "R-10206"},
    View.PA: {"272479007", "R-10214", "R-40888"},
}
_LATERAL_CODES = {"399067008", "399173006", "399198007", "R-102CD", "R-10236", "R-10232"}
_OTHER_PART_CODES = frozenset(
    [
        *("69536005", "T-D1100", "774007", "T-D1000", "89546000", "T-11100"),  # head, skull
        *(
            "91397008",
            "T-11196",
            "74386004",
            "T-11149",
            "363654007",
            "T-D14AE",
        ),  # face, orbit
        *("2095001", "T-22000", "661005", "T-D1213", "91609006", "T-11180"),  # sinuses, jaws
        *("70925003", "T-11170", "13881006", "T-11166", "53620006", "T-15290"),  # maxilla
        *("59066005", "T-11133", "45048000", "T-D1600"),  # mastoid bone, neck
        *("421060004", "T-D04FF", "122494005", "T-11501", "122495006", "T-11502"),  # spine
        *("122496007", "T-11503", "1217257000", "1217256009", "1217253001", "1217254007"),
        *("54735007", "T-11AD0", "64688005", "T-11BF0", "39723000", "T-15680"),  # sacrum
        *("818981001", "818983003", "113345001", "T-D4000", "818982008"),  # abdomen
        *("816092008", "12921003", "T-D6000", "29836001", "T-D2500", "24136001", "T-15710"),  # hip
        *("66019005", "T-D0300", "53120007", "T-D8000", "61685007", "T-D9000"),  # limbs
        *("16982005", "T-D2220", "85856004", "T-15420", "51299004", "T-12310"),  # shoulder
        *("79601000", "T-12280", "40983000", "T-D8200", "85050009", "T-12410"),  # scapula, arm
        *("16953009", "T-15430", "14975008", "T-D8500", "74670003", "T-15460"),  # elbow, wrist
        *("85562004", "T-D8700", "7569003", "T-D8800", "76505004", "T-D8810"),  # hand
        *("68367000", "T-D9100", "71341001", "T-12710", "72696002", "T-D9200"),  # thigh, knee
        *("64234005", "T-12730", "30021000", "T-D9400", "12611008", "T-12740"),  # patella, leg
        *("87342007", "T-12750", "70258002", "T-15750", "80144004", "T-12770"),  # fibula, ankle
        *("56459004", "T-D9700", "29707007", "T-D9800"),  # foot, toe
        *("113197003", "T-11300", "56873002", "T-11210", "76752008", "T-04000"),  # rib, breast
    ]
)


def is_lateral(dataset: Dataset) -> bool:
    """Whether ViewPosition or ViewCodeSequence names a lateral view."""
    view = _DECUBITUS.sub("", code(dataset, "ViewPosition"))
    return bool(_LATERAL.search(view)) or bool(_codes(dataset, "ViewCodeSequence") & _LATERAL_CODES)


def view_of(dataset: Dataset) -> View:
    """The projection by ViewPosition, or else by ViewCodeSequence."""
    if is_lateral(dataset):
        return View.LATERAL
    position, codes = code(dataset, "ViewPosition"), _codes(dataset, "ViewCodeSequence")
    words = re.split(r"[\W_]+", position)
    for view, meant in _FRONTAL_CODES.items():
        if view in words or (not position and codes & meant):
            return view
    return View.OTHER if position or codes else View.UNKNOWN


def is_another_part(dataset: Dataset) -> bool:
    """Whether BodyPartExamined or AnatomicRegionSequence names what is known to be no chest."""
    regions = _codes(dataset, "AnatomicRegionSequence")
    return _names_another(code(dataset, "BodyPartExamined")) or (
        bool(regions) and regions <= _OTHER_PART_CODES
    )


def _names_another(part: str) -> bool:
    decomposed = unicodedata.normalize("NFKD", part)
    plain = "".join(character for character in decomposed if not unicodedata.combining(character))
    if _SPINE.search(plain):
        return not _CHEST_BESIDE_SPINE.search(plain)
    if _CHEST.search(plain):
        return False
    words = re.findall(r"[^\W\d_]+", plain)
    return any(word in _OTHER_PARTS or word.removesuffix("S") in _OTHER_PARTS for word in words)


def _codes(dataset: Dataset, keyword: str) -> set[str]:
    """The SNOMED codes in a code sequence (PS3.3, 8.8)."""
    return {
        code(item, "CodeValue")
        for item in items(dataset, keyword)
        if code(item, "CodingSchemeDesignator") in _SNOMED
    }
