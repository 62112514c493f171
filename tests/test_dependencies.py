"""What each part of the project imports is declared, where whoever runs that part installs it."""

import ast
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
# The extras whose packages a part may import, beside what is always installed.
EXTRAS = {
    "app": ("archive", "gpu", "otel", "ray"),
    "model_store": ("signing",),
    "training": ("training",),
    "benchmarks": ("benchmarks",),
    "tests": ("archive", "dev", "otel", "ray", "signing", "training"),
}
PROVIDERS = packages_distributions()


def imported(file: Path) -> Iterator[str]:
    """The packages that a module imports, of others than the project and Python's own."""
    for node in ast.walk(ast.parse(file.read_text())):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
        for name in names:
            package = name.partition(".")[0]
            if package not in sys.stdlib_module_names and package not in EXTRAS:
                yield package


def declared(part: str) -> set[str]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    lines = [*project["dependencies"], *(line for extra in EXTRAS[part] for line in extras[extra])]
    return {canonicalize_name(Requirement(line).name) for line in lines}


@pytest.mark.parametrize("part", EXTRAS)
def test_what_is_imported_is_declared(part: str) -> None:
    packages = {name for file in (ROOT / part).rglob("*.py") for name in imported(file)}
    assert packages
    allowed = declared(part)
    # What is not installed, as some contestants, is taken for a package of its own name.
    providers = {name: PROVIDERS.get(name, [name]) for name in packages}
    missing = {
        name
        for name, distributions in providers.items()
        if allowed.isdisjoint(map(canonicalize_name, distributions))
    }
    assert missing == set()
