"""What people do with the project, each in a few seconds: `python -m tests.scenarios NAME ...`.

Each runs in a network of its own, so that who asks and who answers are both in here. Modules of the
project come first, as they do where people start it.
"""

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# A machine may have much else to do.
_SECONDS = 300
_COMMAND = [sys.executable, "-c", "from app.cli import cli; cli()"]


def serve(model_root: Path, folder: Path, engine: str) -> None:
    """Start the service, ask all that it answers, and stop it."""
    import httpx

    from benchmarks.ports import free_port
    from tests import synthetic
    from tests.app.dicom_results import given
    from tests.app.pacs.network import wait_until

    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with _running("serve", model_store=model_root, port=port, engine=engine):
        client = httpx.Client(base_url=url, trust_env=False, timeout=60)
        wait_until(lambda: _is_ready(client), "the service is ready", _SECONDS)
        png, dicom = synthetic.encode(synthetic.chest(1)), given.source_file()
        for path in ("/predict", "/explain"):
            assert client.post(path, files={"file": png}).is_success
            told = client.post(path, content=dicom, headers=_DICOM)
            assert told.headers["content-type"] == "application/dicom"
        for path in ("/docs", "/openapi.json", "/model", "/metrics"):
            assert client.get(path).is_success


_DICOM = {"Content-Type": "application/dicom", "Accept": "application/dicom"}


def _is_ready(client: Any) -> bool:
    import httpx

    try:
        return bool(client.get("/ready").is_success)
    except httpx.TransportError:
        return False


def dicom_node(model_root: Path, folder: Path) -> None:
    """Start the node, send it an image, take the results, and stop it."""
    from benchmarks.ports import free_port
    from tests.app.dicom_results import given
    from tests.app.pacs.network import Pacs, send, wait_until

    with Pacs().listening() as pacs:
        port = free_port()
        settings = {
            "model_store": model_root,
            "engine": "openvino",
            "node_destination": f"PACS@127.0.0.1:{pacs.port}",
            "node_spool": folder / "spool",
            "node_port": port,
            "node_metrics_port": free_port(),
        }
        with _running("dicom-node", **settings):
            wait_until(
                lambda: send(port, given.source_file()) == 0x0000, "an image is taken", _SECONDS
            )
            wait_until(lambda: len(pacs.stored) == 2, "its results are sent", _SECONDS)


def read(model_root: Path, folder: Path) -> None:
    """Read a study of a PACS that holds one image, over DICOMweb, for a FHIR server too."""
    from tests.app.dicom_results import given
    from tests.app.pacs.fhir_stub import FhirStub

    with _dicomweb(given.source_file()) as (url, stored), FhirStub().listening() as fhir:
        arguments = ["read", "--dicomweb", url, "--study", given.STUDY, "--fhir", fhir.url]
        environment = _environment(model_store=model_root, engine="openvino")
        subprocess.run([*_COMMAND, *arguments], env=environment, check=True)
        assert len(stored) == 2
        assert len(fhir.of_type("DiagnosticReport")) == 1


def archive(model_root: Path, folder: Path) -> None:
    """Read a folder of images into a table, with all that can be written beside it."""
    from tests import synthetic
    from tests.app.dicom_results import given

    images = folder / "images"
    images.mkdir()
    (images / "a.png").write_bytes(synthetic.encode(synthetic.chest(1)))
    (images / "b.dcm").write_bytes(given.source_file())
    options = ["--overlays", folder / "overlays", "--dicom", folder / "dicom"]
    arguments = ["archive", images, "--out", folder / "out.csv", *options]
    environment = _environment(model_store=model_root, engine="openvino")
    subprocess.run([*_COMMAND, *map(str, arguments)], env=environment, check=True)
    assert len((folder / "out.csv").read_text().splitlines()) == 3


def signed(model_root: Path, folder: Path) -> None:
    """Sign a model by the command of model-signing, and load it as the service does."""
    from app.reading.from_settings import load_reader
    from app.reading.metrics import Metrics
    from app.settings import Settings
    from tests.model_store.test_signature import key_pair

    shutil.copytree(model_root, folder / "store")
    path = folder / "store" / "pneumonia" / "1"
    private, public = key_pair(folder)
    command = [sys.executable, "-m", "model_signing", "sign", "key", str(path)]
    options = ["--private_key", str(private), "--signature", f"{path}.sig"]
    subprocess.run([*command, *options], check=True)
    settings = Settings(model_store=folder / "store", engine="openvino", model_key=public)
    load_reader(settings, Metrics())


def fit(model_root: Path, folder: Path) -> None:
    """Train a tiny network by the command, and export it as a version."""
    from app.host.process import use_a_temporary_folder

    # As the command does before it imports Keras.
    use_a_temporary_folder()
    from tests.training import tiny
    from tests.training.conftest import FEW, LOOSE
    from training import cli
    from training.data import negatives
    from training.export import release
    from training.fit import lung_training, model

    vars(model)["build"] = tiny.build
    vars(lung_training)["load"] = tiny.finder
    vars(negatives)["COUNT"] = FEW
    vars(release)["_TOLERANCE"] = vars(release)["_GRAPH_TOLERANCE"] = LOOSE
    tiny.images(folder / "data" / "train")
    short = ["--head-epochs", "1", "--small-epochs", "1", "--epochs", "1", "--weights", "none"]
    lungs, run = folder / "lungs", ["--run", str(folder / "run")]
    lungs.mkdir()
    (lungs / "command.txt").write_text("python -m training lungs")
    (lungs / lung_training.METRICS).write_text("{}")
    given = [f"kermany={folder / 'data'}", "--lungs", str(lungs)]
    cli.app(["fit", *given, *run, *short], standalone_mode=False)
    store = ["--model-store", str(folder / "store")]
    cli.app(["export", *run, *store], standalone_mode=False)


def evaluate(model_root: Path, folder: Path, engine: str) -> None:
    """Measure a model by the command."""
    from app.host.process import use_a_temporary_folder

    # As the command does before it imports Keras.
    use_a_temporary_folder()
    from tests.training import tiny
    from training import cli
    from training.data import negatives

    vars(negatives)["COUNT"] = 2
    tiny.images(folder / "data", size=(256, 256))
    options = ["--out", str(folder / "out"), "--explanations", "1", "--engine", engine]
    store = ["--model-store", str(model_root)]
    cli.app(["evaluate", str(folder / "data"), *options, *store], standalone_mode=False)


@contextmanager
def _running(command: str, **settings: object) -> Iterator[None]:
    """A command that runs while the block does, and ends well."""
    with subprocess.Popen([*_COMMAND, command], env=_environment(**settings)) as process:
        try:
            yield
            process.send_signal(signal.SIGTERM)
            assert process.wait(_SECONDS) in (0, -signal.SIGTERM)
        finally:
            process.kill()


def _environment(**settings: object) -> dict[str, str]:
    return os.environ | {f"PNEUMOSCOPE_{k.upper()}": str(v) for k, v in settings.items()}


@contextmanager
def _dicomweb(image: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A PACS that holds an image; its address, and what is stored in it."""
    from pydicom import Dataset

    from tests.app.dicom_results import given

    header, described = given.parse(image), Dataset()
    for keyword in ("SOPInstanceUID", "SOPClassUID", "SeriesInstanceUID", "Modality"):
        setattr(described, keyword, header.get(keyword))
    found = f"[{described.to_json()}]".encode()
    part = b"--x\r\nContent-Type: application/dicom\r\n\r\n" + image + b"\r\n--x--\r\n"
    stored: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if "/instances/" in self.path:
                self._answer(part, 'multipart/related; type="application/dicom"; boundary=x')
            else:
                self._answer(found, "application/dicom+json")

        def do_POST(self) -> None:
            stored.append(self.rfile.read(int(self.headers["Content-Length"])))
            self._answer(b"{}", "application/dicom+json")

        def _answer(self, body: bytes, content_type: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}", stored
    server.shutdown()


if __name__ == "__main__":
    _name, _model_root, _folder, *_rest = sys.argv[1:]
    globals()[_name](Path(_model_root), Path(_folder), *_rest)
