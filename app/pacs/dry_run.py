"""What `pneumoscope rules` says of an image: whether it would be read, and why."""

from typing import NamedTuple

from app.codes import NO_RESULT_IN_A_STUDY
from app.errors import ImageError
from app.imaging.dicom.read import read_dicom
from app.pacs.rules import Facts, Rules, facts_of


class Explanation(NamedTuple):
    """Why an image would be read, or not; no line quotes the image.

    Attributes:
        lines: the outcome, and a line for each rule that was asked before.
        failed: whether the image cannot be read at all.
    """

    lines: tuple[str, ...]
    failed: bool = False

    def __str__(self) -> str:
        return "\n  ".join(self.lines)


def explained(rules: Rules, data: bytes, source: str, max_pixels: int) -> Explanation:
    """Ask the rules, and then what the image's attributes say, as the node and `read` do.

    Only the model finds out whether there are lungs, and it is not asked.

    Args:
        rules: of a file.
        data: the image's.
        source: the AE title of its sender, where the file does not say.
        max_pixels: larger images are not read.
    """
    try:
        facts = facts_of(data, max_pixels, source)
        rule = rules.decide(facts)
        why = tuple(_unmatched(rules, facts))
        by = f"by the rule {rule.name!r}" if rule else "since no rule matches"
        if rule and not rule.read:
            return Explanation((f"not read, {by}", *why))
        _, warnings = read_dicom(data, max_pixels, lambda _: None, lambda *_: None)
    except ImageError as error:
        return Explanation((f"cannot be read: {error}",), failed=True)
    for code in warnings:
        if code in NO_RESULT_IN_A_STUDY:
            return Explanation((f"not read: {code}; it would be, {by}", *why))
    results = f", with {' and '.join(rule.results)} alone" if rule and rule.results else ""
    return Explanation((f"read, {by}{results}", *why))


def _unmatched(rules: Rules, facts: Facts) -> list[str]:
    """The rules before the one that matches, each with the conditions that do not hold."""
    lines = []
    for rule in rules.rules:
        failing = rule.failing(facts)
        if not failing:
            break
        told = [key if _is_known(key, facts) else f"{key} (unknown)" for key in failing]
        lines.append(f"{rule.name!r} does not match: {', '.join(told)}")
    return lines


def _is_known(key: str, facts: Facts) -> bool:
    value = facts.age if key.startswith("age_") else getattr(facts, key)
    return value not in (None, "")
