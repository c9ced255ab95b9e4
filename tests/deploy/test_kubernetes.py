"""The Kubernetes manifests: valid for the API, joined up, and safe."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.processes import ROOT
from worker.settings import SECRETS, Settings, env_name

FOLDER = ROOT / "deploy/kubernetes"
EXAMPLE = FOLDER / "overlays/example"
Manifest = dict[str, Any]


def documents(path: Path) -> list[Manifest]:
    return list(yaml.safe_load_all(path.read_text(encoding="utf-8")))


def kustomization(folder: Path) -> Manifest:
    (document,) = documents(folder / "kustomization.yaml")
    return document


def resources(folder: Path) -> Iterator[Path]:
    """Give the files that a kustomization is made of, as kustomize would follow them."""
    for name in [*kustomization(folder).get("resources", []), *kustomization(folder).get("components", [])]:
        path = (folder / name).resolve()
        if path.is_dir():
            yield from resources(path)
        else:
            yield path


FILES = list(resources(EXAMPLE))
MANIFESTS = [manifest for path in FILES for manifest in documents(path)]
OUR_KINDS = ("ServiceMonitor", "PrometheusRule")  # of the Prometheus operator
DEPLOYMENTS = {m["metadata"]["name"].removeprefix("renderwatch-"): m for m in MANIFESTS if m["kind"] == "Deployment"}
PODS = {
    **{name: manifest["spec"]["template"] for name, manifest in DEPLOYMENTS.items()},
    "migrate": next(m["spec"]["template"] for m in MANIFESTS if m["kind"] == "Job"),
}
by_pod = pytest.mark.parametrize("name", PODS)


def of_kind(kind: str) -> list[Manifest]:
    return [manifest for manifest in MANIFESTS if manifest["kind"] == kind]


def test_every_manifest_is_used_and_valid_for_the_api() -> None:
    assert set(FILES) == {p.resolve() for p in FOLDER.rglob("*.yaml") if p.name != "kustomization.yaml"}
    known = [path for path in FILES if all(manifest["kind"] not in OUR_KINDS for manifest in documents(path))]
    command = [str(Path(sys.executable).parent / "kubernetes-validate"), "--strict", *map(str, known)]
    checked = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_all_that_the_platform_expects_is_there() -> None:
    kinds = {manifest["kind"] for manifest in MANIFESTS}
    assert kinds >= {"Deployment", "Service", "Ingress", "Job", "HorizontalPodAutoscaler", "PodDisruptionBudget"}
    assert kinds >= {"NetworkPolicy", "ServiceAccount", *OUR_KINDS}
    assert set(DEPLOYMENTS) == {"worker", "beat", "web"}


@by_pod
def test_a_pod_can_do_no_more_than_it_must(name: str) -> None:
    spec = PODS[name]["spec"]
    assert spec["enableServiceLinks"] is False
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    (container,) = spec["containers"]
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"cpu", "memory"} <= container["resources"]["requests"].keys()
    assert "memory" in container["resources"]["limits"]


@by_pod
def test_only_workers_get_api_keys_and_every_file_is_mounted(name: str) -> None:
    spec = PODS[name]["spec"]
    (container,) = spec["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    known = {env_name(field) for field in Settings.model_fields} | {env_name(field) + "_FILE" for field in SECRETS}
    assert set(variables) <= known
    volumes = {volume["name"]: volume for volume in spec["volumes"]}
    mounts = {mount["mountPath"]: volumes[mount["name"]] for mount in container["volumeMounts"]}
    assert ("MAGIC_HOUR_API_KEY_FILE" in variables) == (name == "worker")
    provided = {secret["name"]: _keys(secret["files"]) for secret in kustomization(EXAMPLE)["secretGenerator"]}
    for variable, path in variables.items():
        if variable.endswith("_FILE"):
            folder, _, key = path.rpartition("/")
            assert key in provided[mounts[folder]["secret"]["secretName"]]
    assert mounts["/var/lib/renderwatch"].get("emptyDir")
    settings = [generator["name"] for generator in kustomization(FOLDER / "base")["configMapGenerator"]]
    assert container["envFrom"] == [{"configMapRef": {"name": name}} for name in settings]


def _keys(files: list[str]) -> set[str]:
    return {file.partition("=")[0] for file in files}


@pytest.mark.parametrize("name", DEPLOYMENTS)
def test_selectors_probes_and_budgets_find_their_pods(name: str) -> None:
    deployment = DEPLOYMENTS[name]
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert deployment["spec"]["selector"]["matchLabels"] == labels
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for probe in ("livenessProbe", "readinessProbe", "startupProbe"):
        assert container[probe]["timeoutSeconds"] >= 5
    assert [b for b in of_kind("PodDisruptionBudget") if b["spec"]["selector"]["matchLabels"] == labels]
    assert any(p["spec"]["podSelector"]["matchLabels"].items() <= labels.items() for p in of_kind("NetworkPolicy"))


def test_a_worker_has_time_to_finish_its_batch_and_two_beats_are_on_two_nodes() -> None:
    assert PODS["worker"]["spec"]["terminationGracePeriodSeconds"] > Settings().lease_seconds + 30
    assert DEPLOYMENTS["beat"]["spec"]["replicas"] == 2
    (spread,) = PODS["beat"]["spec"]["topologySpreadConstraints"]
    assert (spread["topologyKey"], spread["whenUnsatisfiable"]) == ("kubernetes.io/hostname", "DoNotSchedule")
    assert "replicas" not in DEPLOYMENTS["worker"]["spec"], "the autoscaler decides"


def test_service_ingress_and_monitor_lead_to_web() -> None:
    (service,) = of_kind("Service")
    labels = PODS["web"]["metadata"]["labels"]
    assert service["spec"]["selector"] == labels
    (container,) = PODS["web"]["spec"]["containers"]
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    variables = {each["name"]: each["value"] for each in container["env"]}
    assert ports == {
        "http": int(variables["RENDERWATCH_WEB_PORT"]),
        "metrics": int(variables["RENDERWATCH_METRICS_PORT"]),
    }
    assert {port["targetPort"] for port in service["spec"]["ports"]} == set(ports)
    (monitor,) = of_kind("ServiceMonitor")
    assert monitor["spec"]["selector"]["matchLabels"] == service["metadata"]["labels"]
    (ingress,) = of_kind("Ingress")
    (rule,) = ingress["spec"]["rules"]
    assert rule["http"]["paths"][0]["backend"]["service"]["name"] == service["metadata"]["name"]
