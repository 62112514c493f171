"""A real nginx before the service, with TLS, as a hospital would have it."""

import os
import shutil
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from benchmarks.ports import free_port
from tests.app.pacs.network import LOCALHOST, wait_until

# The first takes the prefix off the path, the second leaves it there, the third has none.
_CONFIGURATION = """
daemon off;
master_process off;
pid {folder}/pid;
error_log {folder}/error.log;
events {{}}
http {{
    access_log off;
    client_max_body_size 32m;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    proxy_set_header Host $http_host;
    proxy_set_header X-Forwarded-For $remote_addr;
    proxy_set_header X-Forwarded-Proto $scheme;
    # A reading changes nothing: another replica may be asked again.
    proxy_next_upstream error timeout http_503 non_idempotent;
    upstream service {{ {servers} }}
    server {{
        listen {host}:{port} ssl;
        ssl_certificate {folder}/certificate.pem;
        ssl_certificate_key {folder}/key.pem;
        location /stripped/ {{ proxy_pass http://service/; }}
        location /xray/ {{ proxy_pass http://service; }}
        location / {{ proxy_pass http://service; }}
    }}
}}
"""


@contextmanager
def nginx(folder: Path, *upstreams: str) -> Iterator[httpx.Client]:
    """A client of an nginx before services; the test is skipped where it is not installed.

    Args:
        folder: for its files.
        upstreams: the services, as `host:port`.
    """
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None or shutil.which("openssl") is None:
        pytest.skip("Debian's packages nginx-light and openssl are not installed")
    _make_certificate(folder)
    port = free_port()
    configuration = folder / "nginx.conf"
    servers = " ".join(f"server {upstream};" for upstream in upstreams)
    told = {"folder": folder, "host": LOCALHOST, "port": port, "servers": servers}
    configuration.write_text(_CONFIGURATION.format(**told))
    trusted = ssl.create_default_context(cafile=folder / "certificate.pem")
    url = f"https://{LOCALHOST}:{port}"
    with (
        subprocess.Popen([program, "-c", configuration, "-e", folder / "error.log"]) as process,
        httpx.Client(base_url=url, verify=trusted, trust_env=False, timeout=60) as client,
    ):
        try:
            wait_until(lambda: _answers(client), "nginx answers")
            yield client
        finally:
            process.terminate()


def _make_certificate(folder: Path) -> None:
    options = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    options += f" -subj /CN={LOCALHOST} -addext subjectAltName=IP:{LOCALHOST}"
    files = ["-keyout", f"{folder}/key.pem", "-out", f"{folder}/certificate.pem"]
    subprocess.run(["openssl", *options.split(), *files], check=True, capture_output=True)


def _answers(client: httpx.Client) -> bool:
    try:
        return client.get("/live").is_success
    except httpx.TransportError:
        return False
