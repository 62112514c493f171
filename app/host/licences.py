"""The licence of each distribution that the service is installed with, as its metadata state it."""

from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

_LONGEST = 60
_CLASSIFIER = "License :: "


def of_what_ships(name: str = "pneumoscope") -> Iterator[tuple[str, str, str]]:
    """The name, version and licence of a distribution and of all that it needs, in order.

    Raises:
        PackageNotFoundError: it is not installed.
    """
    found = {canonicalize_name(name): distribution(name)}
    # With the optional parts that are asked for of each; this one's are in the images.
    waiting = [(found[canonicalize_name(name)], {"gpu", "signing"})]
    while waiting:
        for needed in _needs(*waiting.pop()):
            key = canonicalize_name(needed.name)
            if key not in found:
                try:
                    found[key] = distribution(needed.name)
                # Of a part that was left out.
                except PackageNotFoundError:
                    continue
                waiting.append((found[key], needed.extras))
    for _, one in sorted(found.items()):
        yield one.name, one.version, _licence(one)


def _needs(one: Distribution, extras: set[str]) -> Iterator[Requirement]:
    for text in one.requires or ():
        requirement = Requirement(text)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in ("", *extras)):
            yield requirement


def _licence(one: Distribution) -> str:
    """The SPDX expression (PEP 639), or what older metadata have instead."""
    fields = one.metadata.json
    if expression := fields.get("license_expression"):
        return str(expression)
    text = str(fields.get("license") or "").strip()
    if text and len(text) <= _LONGEST and "\n" not in text:
        return text
    classifiers = map(str, fields.get("classifier") or ())
    named = [line.rpartition(" :: ")[2] for line in classifiers if line.startswith(_CLASSIFIER)]
    return ", ".join(named) or "not stated: see its files"
