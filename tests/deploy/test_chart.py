"""The Helm chart, rendered by Helm and held against Kubernetes' schemas and checkov's rules."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import helm_python as helm
import kubernetes_validate
import pytest
import yaml

from app.pacs.node.settings import NodeSettings
from app.settings import Settings
from tests.deploy.engine import ROOT

CHART = ROOT / "deploy" / "helm" / "pneumoscope"
# The oldest that the chart says it takes and that the validator has, and a new one.
VERSIONS = ("1.25.2", "1.34.1")
# Of a lint: then come a warning and an error.
INFORMATION = 1
DIGEST = "sha256:" + "a" * 64
NODE = {
    "enabled": True,
    "settings": {"DESTINATION": "ORTHANC@10.0.0.5:4242", "MAX_QUEUED": 2000000},
    "networkPolicy": {"to": [{"peers": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "port": 4242}]},
}
FULL = {
    "image": {"digest": DIGEST, "pullSecrets": ["registry"]},
    "settings": {"MAX_UPLOAD_BYTES": 4194304, "UNSUITABLE": "warn", "UPLOAD_SECONDS": 7.5},
    "existingSecret": "access",
    "model": {"existingClaim": "models"},
    "autoscaling": {"targetQueueDepth": 8},
    "node": NODE | {"existingSecret": "pacs", "storage": {"storageClass": "fast"}},
}
TRACED = {
    "env": [
        {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector:4318"},
        {
            "name": "OTEL_EXPORTER_OTLP_HEADERS",
            "valueFrom": {"secretKeyRef": {"name": "collector", "key": "headers"}},
        },
    ],
    "networkPolicy": {"to": [{"peers": [{"ipBlock": {"cidr": "10.0.0.9/32"}}], "port": 4318}]},
    "node": NODE,
}
RECORDED = {"record": {"existingClaim": "record"}, "node": NODE}
CHECKOV = shutil.which("checkov")

Manifests = dict[tuple[str, str], dict[str, Any]]


def rendered(values: dict[str, Any]) -> Manifests:
    """What Helm makes of values, by kind and name."""
    with helm.Chart.load(str(CHART)) as chart:
        chart.validate_schema(values)
        files = chart.render(values, name="xray", namespace="radiology")
    found = [document for text in files.values() for document in yaml.safe_load_all(text)]
    return {(one["kind"], one["metadata"]["name"]): one for one in found if one}


def environment(manifest: dict[str, Any]) -> dict[str, str]:
    """The variables of a pod's one container."""
    [container] = manifest["spec"]["template"]["spec"]["containers"]
    return {one["name"]: one["value"] for one in container.get("env", []) if "value" in one}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "values",
    [
        {},
        FULL,
        RECORDED,
        TRACED,
        {"autoscaling": {"enabled": False}, "networkPolicy": {"enabled": False}},
    ],
    ids=["defaults", "full", "recorded", "traced", "without"],
)
def test_kubernetes_takes_it(values: dict[str, Any], version: str) -> None:
    for manifest in rendered(values).values():
        kubernetes_validate.validate(manifest, version, strict=True)
        assert manifest["metadata"]["namespace"] == "radiology"


def test_helm_finds_no_fault() -> None:
    assert not [one for one in helm.lint(str(CHART))["messages"] if one["severity"] > INFORMATION]


@pytest.mark.skipif(CHECKOV is None, reason="checkov is not installed")
def test_checkov_finds_no_fault(tmp_path: Path) -> None:
    everything = rendered(FULL | RECORDED | {"node": FULL["node"]})
    (tmp_path / "chart.yaml").write_text(yaml.safe_dump_all(everything.values()))
    asked = subprocess.run(
        [
            str(CHECKOV),
            "--skip-download",
            "--framework=kubernetes",
            "--output=json",
            "--directory=.",
        ],
        cwd=tmp_path,
        capture_output=True,
        timeout=120,
        check=False,
    )
    found = json.loads(asked.stdout)

    assert found["results"]["failed_checks"] == []
    assert found["summary"]["passed"] > 100
    # What the chart says of itself.
    [excused] = found["results"]["skipped_checks"]
    assert excused["resource"] == "StatefulSet.radiology.xray-pneumoscope-node"
    assert asked.returncode == 0


@pytest.mark.parametrize(
    "kind", [("Deployment", "xray-pneumoscope"), ("StatefulSet", "xray-pneumoscope-node")]
)
def test_a_pod_has_no_rights(kind: tuple[str, str]) -> None:
    pod = rendered(FULL)[kind]["spec"]["template"]["spec"]
    [container] = pod["containers"]

    assert pod["enableServiceLinks"] is False
    assert pod["automountServiceAccountToken"] is False
    assert pod["securityContext"]["runAsUser"] == 10001
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == f"pneumoscope@{DIGEST}"
    assert {"startupProbe", "readinessProbe", "livenessProbe"} <= container.keys()


def test_each_pod_of_the_service_has_a_record_of_its_own() -> None:
    manifests = rendered(RECORDED)
    deployment = manifests["Deployment", "xray-pneumoscope"]
    [container] = deployment["spec"]["template"]["spec"]["containers"]
    [mount] = [one for one in container["volumeMounts"] if one["name"] == "record"]

    assert environment(deployment) == {"PNEUMOSCOPE_AUDIT": f"{mount['mountPath']}/audit"}
    assert mount["subPathExpr"] == "$(POD_NAME)"
    assert container["env"][1]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert "PNEUMOSCOPE_AUDIT" not in environment(manifests["StatefulSet", "xray-pneumoscope-node"])


def test_nothing_goes_out_of_the_service() -> None:
    policy = rendered(FULL)["NetworkPolicy", "xray-pneumoscope"]["spec"]

    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert policy["egress"] == []


def test_the_node_reaches_the_pacs_and_names_only() -> None:
    policy = rendered(FULL)["NetworkPolicy", "xray-pneumoscope-node"]["spec"]

    pacs, names = policy["egress"]
    assert pacs == {"to": [{"ipBlock": {"cidr": "10.0.0.5/32"}}], "ports": [{"port": 4242}]}
    assert {port["port"] for port in names["ports"]} == {53}


def test_the_service_reaches_a_collector_where_one_is_named() -> None:
    manifests = rendered(TRACED)
    collector, names = manifests["NetworkPolicy", "xray-pneumoscope"]["spec"]["egress"]

    assert collector == {"to": [{"ipBlock": {"cidr": "10.0.0.9/32"}}], "ports": [{"port": 4318}]}
    assert {port["port"] for port in names["ports"]} == {53}
    for kind in (("Deployment", "xray-pneumoscope"), ("StatefulSet", "xray-pneumoscope-node")):
        [container] = manifests[kind]["spec"]["template"]["spec"]["containers"]
        assert container["env"][-2:] == TRACED["env"]


def test_the_settings_are_the_programs() -> None:
    manifests = rendered(FULL)
    service = environment(manifests["Deployment", "xray-pneumoscope"])
    node = environment(manifests["StatefulSet", "xray-pneumoscope-node"])
    known = {f"PNEUMOSCOPE_{name}".upper() for name in Settings.model_fields}
    of_node = {f"PNEUMOSCOPE_NODE_{name}".upper() for name in NodeSettings.model_fields}

    assert service == {
        "PNEUMOSCOPE_MAX_UPLOAD_BYTES": "4194304",
        "PNEUMOSCOPE_UNSUITABLE": "warn",
        "PNEUMOSCOPE_UPLOAD_SECONDS": "7.5",
    }
    assert service.keys() <= known
    assert service.items() <= node.items()
    assert node.keys() - service.keys() <= of_node
    assert node["PNEUMOSCOPE_NODE_MAX_QUEUED"] == "2000000"


def test_the_queue_outlives_its_pod() -> None:
    spec = rendered(FULL)["StatefulSet", "xray-pneumoscope-node"]["spec"]
    [claim] = spec["volumeClaimTemplates"]
    [container] = spec["template"]["spec"]["containers"]
    spool = environment({"spec": spec})["PNEUMOSCOPE_NODE_SPOOL"]

    assert spec["replicas"] == 1
    assert claim["spec"]["storageClassName"] == "fast"
    assert {"name": claim["metadata"]["name"], "mountPath": spool} in container["volumeMounts"]


def test_a_model_store_of_ones_own_is_where_the_image_has_its_own() -> None:
    pod = rendered(FULL)["Deployment", "xray-pneumoscope"]["spec"]["template"]["spec"]
    [models] = [one for one in pod["containers"][0]["volumeMounts"] if one["name"] == "models"]

    assert models == {"name": "models", "mountPath": "/srv/model_store", "readOnly": True}
    assert "PNEUMOSCOPE_MODEL_STORE=/srv/model_store" in (ROOT / "Dockerfile").read_text()


def test_tokens_and_certificates_are_the_services_files() -> None:
    tls = {"TLS_CERTIFICATE": "/etc/pneumoscope/tls.crt", "TLS_KEY": "/etc/pneumoscope/tls.key"}
    manifests = rendered(FULL | {"settings": tls})
    pod = manifests["Deployment", "xray-pneumoscope"]["spec"]["template"]["spec"]
    node = manifests["StatefulSet", "xray-pneumoscope-node"]["spec"]["template"]["spec"]
    [container] = pod["containers"]

    files = {"name": "files", "mountPath": "/etc/pneumoscope", "readOnly": True}
    assert files in container["volumeMounts"]
    [volume] = [one for one in pod["volumes"] if one["name"] == "files"]
    assert volume["secret"]["secretName"] == "access"
    assert "files" not in {one["name"] for one in node["volumes"]}
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert container[probe]["httpGet"]["scheme"] == "HTTPS"
    annotations = manifests["Deployment", "xray-pneumoscope"]["spec"]["template"]["metadata"]
    assert annotations["annotations"]["prometheus.io/scheme"] == "https"
    plain = rendered({})["Deployment", "xray-pneumoscope"]["spec"]["template"]
    assert plain["spec"]["containers"][0]["readinessProbe"]["httpGet"]["scheme"] == "HTTP"
    assert plain["metadata"]["annotations"]["prometheus.io/scheme"] == "http"


def test_the_node_has_files_of_its_own() -> None:
    manifests = rendered(FULL | {"node": NODE | {"existingFiles": "node-files"}})
    node = manifests["StatefulSet", "xray-pneumoscope-node"]["spec"]["template"]["spec"]
    [volume] = [one for one in node["volumes"] if one["name"] == "files"]

    assert volume["secret"]["secretName"] == "node-files"
    [mount] = [one for one in node["containers"][0]["volumeMounts"] if one["name"] == "files"]
    assert mount == {"name": "files", "mountPath": "/etc/pneumoscope", "readOnly": True}


@pytest.mark.parametrize(
    "values",
    [
        {"node": {"enabled": True}},
        {"image": {"digest": "latest"}},
        {"replica": 3},
        {"env": {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}},
    ],
    ids=["no destination", "no digest", "misspelt", "no list"],
)
def test_values_that_are_wrong_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(helm.HelmError):
        rendered(values)


def test_the_version_is_the_packages() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = Path(ROOT / "pyproject.toml").read_text()

    assert f'version = "{chart["appVersion"]}"' in project
