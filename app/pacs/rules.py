"""Which radiographs are read, and which results each gets, by the rules in a hospital's file.

    [[rule]]
    name = "children's ward"
    read = false
    station = ["PED-*", "NEO-?"]
    age_below = 16

The first rule all of whose conditions hold decides. An image that no rule matches is read.
"""

import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, NamedTuple, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)
from pydicom import Dataset
from pydicom.tag import Tag
from pydicom.valuerep import DA

from app.dicom_results.kinds import KINDS, REPORT
from app.errors import RulesError
from app.host import process
from app.host.values import wrong
from app.imaging.dicom import attributes
from app.imaging.dicom import file as dicom_file
from app.imaging.dicom.read import most_inflated
from app.imaging.errors import blaming_the_image

# In the order in which `read` sends them: the report tells it that an image was read.
FHIR, HL7, WEBHOOK = "fhir", "hl7", "webhook"
RESULTS = (FHIR, HL7, WEBHOOK, *KINDS)

# By the condition that asks for it: the attribute, of which the first value counts.
_ATTRIBUTES = {
    "modality": "Modality",
    "station": "StationName",
    "body_part": "BodyPartExamined",
    "view": "ViewPosition",
}
_TAKEN = ("AcquisitionDate", "ContentDate", "SeriesDate", "StudyDate")
_AGE, _BIRTH = "PatientAge", "PatientBirthDate"
_WANTED = [Tag(keyword) for keyword in (*_ATTRIBUTES.values(), *_TAKEN, _AGE, _BIRTH)]
# PS3.5, table 6.2-1.
_AGE_STRING = re.compile(r"(\d{3})([DWMY])", re.ASCII)
_A_YEAR = {"D": 365.25, "W": 365.25 / 7, "M": 12.0, "Y": 1.0}


class Facts(NamedTuple):
    """What conditions are about: an image's attributes, in capitals, and empty where unknown.

    Attributes:
        source: the AE title of whoever sent it.
        age: of the patient, in years.
    """

    modality: str = ""
    station: str = ""
    body_part: str = ""
    view: str = ""
    source: str = ""
    age: float | None = None


def facts_of(data: bytes, max_pixels: int, source: str = "") -> Facts:
    """Read what the rules ask for; what cannot be read counts as unknown.

    Args:
        data: a DICOM file.
        max_pixels: of larger images a deflated file is not read.
        source: who sent it, where the file does not say.

    Raises:
        UnreadableImageError: it is no DICOM file, or broken.
        MemoryError: memory is short.
    """
    process.accept_invalid_values()
    with blaming_the_image("The DICOM file is broken or truncated."):
        header = dicom_file.read(data, most_inflated(max_pixels), _WANTED)
        named = {name: attributes.code(header, keyword) for name, keyword in _ATTRIBUTES.items()}
        sender = attributes.code(header.file_meta, "SourceApplicationEntityTitle")
        return Facts(**named, source=sender or source.upper(), age=_age(header))


def _age(header: Dataset) -> float | None:
    """In years: as it is given, or from the birth to the day on which the image was taken."""
    if given := _AGE_STRING.fullmatch(attributes.code(header, _AGE)):
        return int(given[1]) / _A_YEAR[given[2]]
    birth = _day(header, _BIRTH)
    taken = next(filter(None, (_day(header, keyword) for keyword in _TAKEN)), None)
    return (taken - birth).days / 365.25 if birth and taken and taken >= birth else None


def _day(header: Dataset, keyword: str) -> date | None:
    try:
        return DA(attributes.code(header, keyword)) or None
    except ValueError:
        return None


def _patterns(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


_Patterns = Annotated[
    list[Annotated[str, Field(min_length=1)]], Field(min_length=1), BeforeValidator(_patterns)
]
_Years = Annotated[float, Field(ge=0, le=200)]


class Rule(BaseModel):
    """A rule of the file; a condition that it does not have holds of every image."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    # It becomes a label of a metric, and a part of a line in the log.
    name: Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,64}$")]
    read: bool
    modality: _Patterns | None = None
    station: _Patterns | None = None
    body_part: _Patterns | None = None
    view: _Patterns | None = None
    source: _Patterns | None = None
    age_from: _Years | None = None
    age_below: _Years | None = None
    results: list[str] | None = None

    @field_validator("age_below")
    @classmethod
    def _leaves_an_age(cls, below: float | None, info: ValidationInfo) -> float | None:
        if below is not None and below <= (info.data.get("age_from") or 0):
            raise wrong("no age is below it and not below age_from")
        return below

    @field_validator("results")
    @classmethod
    def _are_known(cls, results: list[str] | None, info: ValidationInfo) -> list[str] | None:
        if results is None:
            return None
        if not info.data.get("read", True):
            raise wrong("what is not read has none")
        if REPORT not in results or not set(results) <= set(RESULTS):
            raise wrong(f"of {', '.join(RESULTS)}, with {REPORT} always among them")
        return results

    def failing(self, facts: Facts) -> list[str]:
        """The conditions of the rule that do not hold, by their keys."""
        of_text = ("modality", "station", "body_part", "view", "source")
        failing = [key for key in of_text if not self._holds(key, facts)]
        return [*failing, *self._failing_ages(facts.age)]

    def _holds(self, key: str, facts: Facts) -> bool:
        patterns, value = getattr(self, key), getattr(facts, key)
        return patterns is None or any(fnmatchcase(value, each.upper()) for each in patterns)

    def _failing_ages(self, age: float | None) -> Iterator[str]:
        if self.age_from is not None and (age is None or age < self.age_from):
            yield "age_from"
        if self.age_below is not None and (age is None or age >= self.age_below):
            yield "age_below"


@dataclass(frozen=True)
class Rules:
    """The rules of a file, in its order; without any, every image is read."""

    rules: Sequence[Rule] = ()

    @classmethod
    def load(cls, path: Path | None) -> Self:
        """The rules in a file, or none where there is no file.

        Raises:
            RulesError: it cannot be read, or is wrong; the message names the rule and the key.
        """
        if path is None:
            return cls()
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except OSError as error:
            raise RulesError(f"The rules cannot be read: {error.strerror}.") from error
        except ValueError as error:
            raise RulesError(f"The rules are no TOML: {error}.") from error
        if unknown := next((key for key in content if key != "rule"), None):
            raise RulesError(f"The rules have a key {unknown!r}; each rule begins with [[rule]].")
        tables = content.get("rule", [])
        if not isinstance(tables, list):
            raise RulesError("Each rule begins with [[rule]], in two pairs of brackets.")
        rules = [_rule(number, table) for number, table in enumerate(tables, 1)]
        names = [rule.name for rule in rules]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise RulesError(f"Rule {twice!r}, name: another rule has it too.")
        return cls(rules)

    def decide(self, facts: Facts) -> Rule | None:
        """The first rule that matches, if one does."""
        return next((rule for rule in self.rules if not rule.failing(facts)), None)


def _rule(number: int, table: Any) -> Rule:
    try:
        return Rule.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = table.get("name") if isinstance(table, dict) else None
        rule = repr(name) if isinstance(name, str) else str(number)
        key = first["loc"][0] if first["loc"] else "rule"
        raise RulesError(f"Rule {rule}, {key}: {first['msg']}.") from error
