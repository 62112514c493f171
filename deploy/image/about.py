"""Complete an image's bill of materials: `python about.py BILL STORE DPKG`.

BILL is CycloneDX by `cyclonedx-py`, which lists the Python packages. Added is what it cannot know:
the model versions in the folder STORE, each file with its SHA-256, and the base system, by the
folder DPKG.
"""

import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

_FIELDS = "${Package}\t${Version}\t${Architecture}\n"

Component = dict[str, Any]


def complete(bill: Path, store: Path, dpkg: Path) -> None:
    """Add the models and the base system to a bill of materials."""
    content = json.loads(bill.read_text())
    models = map(_model, sorted(store.glob("*/*/model.json")))
    content["components"] += [*models, _python(), *_debian(dpkg)]
    bill.write_text(json.dumps(content, indent=1))


def _model(manifest_file: Path) -> Component:
    content = manifest_file.read_bytes()
    manifest = json.loads(content)
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{manifest['name']}@{manifest['version']}",
        "name": manifest["name"],
        "version": str(manifest["version"]),
        # The manifest's, which has those of all other files.
        "hashes": _hashes(hashlib.sha256(content).hexdigest()),
        "components": [
            {"type": "file", "name": name, "hashes": _hashes(digest)}
            for name, digest in sorted(manifest["files"].items())
        ],
    }


def _python() -> Component:
    purl = f"pkg:generic/python@{platform.python_version()}"
    version = platform.python_version()
    return _package("CPython", version, purl) | {
        "type": "application",
        "licenses": [{"license": {"id": "PSF-2.0"}}],
    }


def _debian(dpkg: Path) -> Iterator[Component]:
    query = ["dpkg-query", f"--admindir={dpkg}", "--show", f"--showformat={_FIELDS}"]
    listed = subprocess.run(query, check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        name, version, architecture = line.split("\t")
        purl = f"pkg:deb/debian/{quote(name)}@{quote(version)}?arch={architecture}"
        yield _package(name, version, purl)


def _package(name: str, version: str, purl: str) -> Component:
    return {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl}


def _hashes(sha256: str) -> list[dict[str, str]]:
    return [{"alg": "SHA-256", "content": sha256}]


if __name__ == "__main__":
    complete(*map(Path, sys.argv[1:]))
