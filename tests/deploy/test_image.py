"""The CPU image, built of the real Dockerfile and asked as docker-compose.yml runs it."""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydicom import dcmread
from pydicom.uid import (
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
)

from model_store.store import resolve, sha256
from tests import synthetic
from tests.app.imaging.dicom.dicoms import dicom
from tests.deploy.engine import ROOT, Container, Engine

pytestmark = pytest.mark.docker

MOST_MEGABYTES = 550
GRACE_SECONDS = 45
ENDED_BY_SIGTERM = 128 + 15
# What a change of the code costs: the package, and what tells of it.
MOST_FOR_CODE = 2.5
DICOM = ("-H", "Content-Type: application/dicom")
# Whose wheels have a licence in their metadata only: Apache-2.0 and MIT.
WITHOUT_A_TEXT = {"in_toto_attestation", "pyjpegls"}
DOCUMENTS = "/usr/share/doc/pneumoscope"
ANSWERING = ("--env", "PNEUMOSCOPE_UNSUITABLE=warn")
CHEST = synthetic.chest(0)
# Of 12 bits, as two codecs take them.
DEEP = (CHEST.astype(np.uint16) << 4)[:256, :256]


@pytest.fixture(scope="module")
def answering(engine: Engine, image: str) -> Any:
    """A container that also answers what the shipped model finds no lungs in: drawn chests."""
    with engine.container(image, *ANSWERING) as container:
        container.wait_until_healthy()
        yield container


@pytest.mark.parametrize("user", ["10001:10001", "54321:0"])
def test_it_serves_as_whoever_it_runs_as(engine: Engine, image: str, user: str) -> None:
    with engine.container(image, "--user", user, *ANSWERING) as container:
        container.wait_until_healthy()
        status, body = container.ask("/predict", synthetic.encode(CHEST))
        seconds = container.stop()
        state, log = container.state(), container.log()

    answer = json.loads(body)
    assert status == 200
    assert (answer["label"], answer["model"]["engine"]) == ("INDETERMINATE", "openvino")
    assert seconds < GRACE_SECONDS
    # It ended by itself, by the signal that asked it to.
    assert (state["ExitCode"], state["OOMKilled"]) == (ENDED_BY_SIGTERM, False)
    assert "Application shutdown complete." in log


def test_it_refuses_what_has_no_lungs(engine: Engine, image: str) -> None:
    with engine.container(image) as container:
        container.wait_until_healthy()
        status, body = container.ask("/predict", synthetic.encode(CHEST))

    assert (status, json.loads(body)["code"]) == (422, "not_a_chest_xray")


def test_a_file_that_nobody_may_write_is_all_it_needs(answering: Container, engine: Engine) -> None:
    told = engine.docker("exec", answering.name, "sh", "-c", "ls -A /tmp; cat /proc/1/status")

    assert "pneumoscope.alive" in told
    assert re.search(r"^CapEff:\s0+$", told, re.MULTILINE)
    assert re.search(r"^NoNewPrivs:\s1$", told, re.MULTILINE)


@pytest.mark.parametrize("suffix", [".png", ".jpeg", ".webp", ".tiff", ".bmp"])
def test_every_format_is_read(answering: Container, suffix: str) -> None:
    status, body = answering.ask("/predict", synthetic.encode(CHEST, suffix))

    assert status == 200, body


@pytest.mark.parametrize(
    "data",
    [
        dicom(CHEST),
        dicom(CHEST, syntax=RLELossless),
        dicom(CHEST, syntax=JPEGBaseline8Bit),
        dicom(DEEP, syntax=JPEGExtended12Bit, BitsStored=12, HighBit=11),
        dicom(CHEST, syntax=JPEGLosslessSV1),
        dicom(CHEST, syntax=JPEGLSLossless),
        dicom(CHEST, syntax=JPEG2000Lossless),
    ],
    ids=["plain", "rle", "jpeg", "jpeg12", "jpeg-lossless", "jpeg-ls", "jpeg2000"],
)
def test_every_codec_is_there(answering: Container, data: bytes) -> None:
    status, body = answering.ask("/predict", data, *DICOM)

    assert status == 200, body


@pytest.mark.parametrize(("path", "modality"), [("/predict", "SR"), ("/explain", "OT")])
def test_it_answers_in_dicom(
    answering: Container, tmp_path: Path, path: str, modality: str
) -> None:
    asked = dicom(CHEST, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4")
    status, body = answering.ask(path, asked, *DICOM, "-H", "Accept: application/dicom")
    (tmp_path / "answer.dcm").write_bytes(body)

    assert status == 200, body
    assert dcmread(tmp_path / "answer.dcm").Modality == modality


def test_its_page_and_its_documentation_are_there(answering: Container) -> None:
    for path in ("/", "/docs", "/metrics", "/model"):
        assert answering.ask(path)[0] == 200


# Where a CPU has no instructions for 8 bits, a signature is asked for, or a collector is named.
@pytest.mark.parametrize(
    "work",
    [
        "from app.inference.silent_openvino import ov;"
        "ov.Core().compile_model(ov.Core().read_model('{model}'), 'CPU')",
        "from model_signing import verifying; verifying.Config()",
        "import app.pacs.node.node, app.pacs.web.command",
        "from app.http.spans import Spans; Spans().begin('GET', '1', None).end('/live', 200)",
    ],
    ids=["SavedModel", "signature", "pacs", "traces"],
)
def test_what_is_seldom_asked_for_was_not_taken_out(
    answering: Container, engine: Engine, work: str
) -> None:
    model = f"/srv/model_store/pneumonia/{resolve(ROOT / 'model_store').manifest.version}"

    engine.docker("exec", answering.name, "python", "-c", work.format(model=model))


def test_it_is_small_and_a_change_of_the_code_smaller(engine: Engine, image: str) -> None:
    bytes_of_all = int(engine.docker("inspect", "--format", "{{.Size}}", image))
    history = engine.docker(
        "history", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image
    )
    layers = {line.partition(" ")[2]: int(line.partition(" ")[0]) for line in history.splitlines()}
    code = [
        size for command, size in layers.items() if re.match(r"COPY (/package|/about)", command)
    ]

    assert bytes_of_all < MOST_MEGABYTES * 10**6, layers
    assert len(code) == 2
    assert 0 < sum(code) < MOST_FOR_CODE * 10**6


def test_it_has_byte_code_and_no_installer(answering: Container, engine: Engine) -> None:
    compiled = (
        "import app.main, fastapi, json; from pathlib import Path;"
        "print(all(Path(m.__cached__).exists() for m in (app.main, fastapi, json)))"
    )
    installers = "from importlib.util import find_spec as f; print(f('pip'), f('setuptools'))"

    assert engine.docker("exec", answering.name, "python", "-c", compiled) == "True"
    assert engine.docker("exec", answering.name, "python", "-c", installers) == "None None"


def test_its_labels(engine: Engine, image: str) -> None:
    labels = json.loads(engine.docker("inspect", "--format", "{{json .Config.Labels}}", image))
    prefix = "org.opencontainers.image."

    assert labels[prefix + "title"] == "pneumoscope"
    assert labels[prefix + "version"] == "0.1.0"
    assert labels[prefix + "licenses"] == "Apache-2.0"
    assert labels[prefix + "base.name"] == "python:3.12-slim"


def test_its_bill_of_materials(answering: Container, engine: Engine) -> None:
    told = engine.docker("exec", answering.name, "cat", f"{DOCUMENTS}/bom.cdx.json")
    bill = json.loads(told)
    components = {component["name"]: component for component in bill["components"]}
    requirements = (ROOT / "requirements" / "cpu.txt").read_text()
    # The other lines are for other versions of Python or for Windows.
    pinned = set(re.findall(r"^([a-z0-9-]+)==\S+ \\$", requirements, re.MULTILINE))
    model = components["pneumonia"]
    manifest = resolve(ROOT / "model_store")

    assert (bill["bomFormat"], bill["metadata"]["component"]["name"]) == (
        "CycloneDX",
        "pneumoscope",
    )
    assert pinned - {"openvino-telemetry"} <= {
        name.lower().replace("_", "-") for name in components
    }
    assert {"CPython", "libc6"} <= components.keys()
    assert "pip" not in components
    assert model["type"] == "machine-learning-model"
    assert model["version"] == str(manifest.manifest.version)
    assert model["hashes"] == [{"alg": "SHA-256", "content": sha256(manifest.path / "model.json")}]


def test_the_licences_of_all_that_ships(answering: Container, engine: Engine) -> None:
    listed = engine.docker("exec", answering.name, "cat", f"{DOCUMENTS}/licences.txt")
    search = (
        "cd /opt/venv/lib/python3.*/site-packages && for d in *.dist-info; do "
        "find $d -iname '*licen[cs]e*' -o -iname 'copying*' | grep -q . || echo $d; done"
    )
    without = engine.docker("exec", answering.name, "sh", "-c", search).splitlines()

    assert listed == engine.docker("exec", answering.name, "pneumoscope", "licences")
    assert len(listed.splitlines()) > 50
    assert {name.partition("-")[0] for name in without} == WITHOUT_A_TEXT
