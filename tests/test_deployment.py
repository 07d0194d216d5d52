"""The files by which a hub is deployed: valid, pinned, confined, and in step with the code."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import kubernetes_validate
import pytest
import yaml

from stretto import __version__
from stretto.cli.command_line import build_parser
from stretto.fleet.hub_exchange import MOST_REQUEST_BYTES
from stretto.names.summable_machine_metrics import FLEET_PROFILE
from tests.fakes import ROOT

KUBERNETES = ROOT / "deploy" / "kubernetes"
OVERLAYS = ("postgresql", "clickhouse", "monitoring")
COMPOSE = yaml.safe_load((ROOT / "deploy/hub/compose.yml").read_text(encoding="utf-8"))
PINNED = re.compile(r"docker\.io/[a-z]+/[a-z-]+:\d+\.\d+(?:\.\d+)*")
OPERATOR_KINDS = {"PodMonitor", "ServiceMonitor", "PrometheusRule"}


def read_objects(folder: Path) -> Iterator[dict[str, Any]]:
    """Yield the objects of a kustomization: the overlays have resources alone, and patch nothing."""
    kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text(encoding="utf-8"))
    assert {*kustomization} == {"apiVersion", "kind", "resources"}
    for name in kustomization["resources"]:
        place = folder / name
        if place.is_dir():
            yield from read_objects(place)
        else:
            yield from yaml.safe_load_all(place.read_text(encoding="utf-8"))


def list_objects(overlay: str) -> list[dict[str, Any]]:
    return [*read_objects(KUBERNETES / "overlays" / overlay)]


def list_pods(overlay: str) -> list[dict[str, Any]]:
    """Return the specifications of pods in an overlay."""
    objects = list_objects(overlay)
    return [
        each["spec"]["template"]["spec"] for each in objects if each["kind"] in {"Deployment", "StatefulSet"}
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_each_object_is_valid_by_the_schemas_of_kubernetes(overlay: str) -> None:
    """Strictly: a misspelt key is refused. Objects of the Prometheus operator have no schema there."""
    checked = [each for each in list_objects(overlay) if each["kind"] not in OPERATOR_KINDS]
    for each in checked:
        kubernetes_validate.validate(each, "1.33", strict=True)
    for each in checked[:1]:
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate({**each, "sepc": 1}, "1.33", strict=True)


@pytest.mark.parametrize("overlay", OVERLAYS)
@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not installed")
def test_kubectl_renders_the_same_objects(overlay: str) -> None:
    """What the tests read is what people apply."""
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)],
        capture_output=True,
        check=True,
        text=True,
    )
    objects = [*yaml.safe_load_all(rendered.stdout)]
    key = lambda each: json.dumps(each, sort_keys=True)  # noqa: E731  # short
    assert sorted(objects, key=key) == sorted(list_objects(overlay), key=key)


@pytest.mark.parametrize("overlay", ["postgresql", "clickhouse"])
def test_pods_are_pinned_and_confined(overlay: str) -> None:
    """Not root, a read-only root, no capability, no token of the cluster, limits of memory."""
    pods = list_pods(overlay)
    assert len(pods) == 2
    for pod in pods:
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            is_own = container["image"] == f"stretto:{__version__}"
            assert is_own or PINNED.fullmatch(container["image"])
            confined = container["securityContext"]
            assert confined["readOnlyRootFilesystem"] is True
            assert confined["allowPrivilegeEscalation"] is False
            assert confined["capabilities"] == {"drop": ["ALL"]}
            assert container["resources"]["limits"]["memory"]
            # A folder below a volume would be root's, and nobody here is root.
            folders = [each["mountPath"] for each in container["volumeMounts"] if "subPath" in each]
            assert all(path.endswith(".xml") for path in folders)
            assert {each["name"] for each in container["volumeMounts"]} <= {
                each["name"] for each in pod["volumes"]
            } | {"data"}
            assert not any("password" in str(each.get("value", "")).lower() for each in container["env"])


def test_services_select_pods_and_ports_that_are_there() -> None:
    """A label or a port's name that differs would leave a Service without anybody behind it."""
    for overlay in ("postgresql", "clickhouse"):
        objects = list_objects(overlay)
        templates = [each["spec"]["template"] for each in objects if "template" in each.get("spec", {})]
        for service in (each["spec"] for each in objects if each["kind"] == "Service"):
            (pod,) = [each for each in templates if each["metadata"]["labels"] == service["selector"]]
            names = {port["name"] for each in pod["spec"]["containers"] for port in each["ports"]}
            assert {port["targetPort"] for port in service["ports"]} <= names
        (ingress,) = [each for each in objects if each["kind"] == "Ingress"]
        (rule,) = ingress["spec"]["rules"]
        assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
        (hub,) = [
            each
            for each in templates
            if each["metadata"]["labels"]["app.kubernetes.io/name"] == "stretto-hub"
        ]
        assert f"--host-name={rule['host']}" in hub["spec"]["containers"][0]["args"]


def test_the_rules_of_teams_are_those_that_are_shipped() -> None:
    """PrometheusRule and prometheus/fleet have the same groups."""
    (rule,) = [each for each in list_objects("monitoring") if each["kind"] == "PrometheusRule"]
    shipped = [
        group
        for path in sorted((ROOT / "prometheus" / "fleet").glob("*.yml"))
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    ]
    assert len(shipped) >= 2
    assert rule["spec"]["groups"] == shipped


def test_monitors_ask_for_the_sums_of_a_fleet_and_name_machine_and_team() -> None:
    """The address is no name of a machine."""
    monitors = [each["spec"] for each in list_objects("monitoring") if each["kind"] != "PrometheusRule"]
    endpoints = [
        endpoint
        for monitor in monitors
        for endpoint in monitor.get("podMetricsEndpoints", monitor.get("endpoints"))
    ]
    (of_hub,) = [each for each in endpoints if each["port"] != "http"]
    (pod,) = [each for each in list_pods("postgresql") if "serviceAccountName" in each]
    assert of_hub["port"] in {port["name"] for port in pod["containers"][0]["ports"]}
    machines = [each for each in endpoints if each is not of_hub]
    assert len(machines) == 2
    for endpoint in machines:
        assert endpoint["params"] == {"profile": [FLEET_PROFILE]}
        assert [each["targetLabel"] for each in endpoint["relabelings"]] == ["instance", "team"]


def test_the_compose_file_is_valid_pinned_and_confined() -> None:
    """By the specification's schema; only the proxy is published, and every mounted file is here."""
    shipped = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(shipped.read_text(encoding="utf-8"))
    checker = jsonschema.validators.validator_for(schema)(schema)
    assert [error.message for error in checker.iter_errors(COMPOSE)] == []
    services: dict[str, dict[str, Any]] = COMPOSE["services"]
    assert {name for name, service in services.items() if "ports" in service} == {"proxy"}
    assert {service["profiles"][0] for service in services.values() if "profiles" in service} == {
        "postgresql",
        "clickhouse",
        "grafana-postgresql",
        "grafana-clickhouse",
    }
    for service in services.values():
        assert service["image"] == f"stretto:{__version__}" or PINNED.fullmatch(service["image"])
        assert service["user"].split(":")[0] not in {"0", "root"}
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        for mount in service.get("volumes", []):
            source = mount.split(":")[0]
            assert source in COMPOSE["volumes"] or (ROOT / "deploy" / "hub" / source).exists()
    plugins = services["grafana-clickhouse"]["environment"]["GF_PLUGINS_PREINSTALL_SYNC"]
    assert re.fullmatch(r"grafana-clickhouse-datasource@\d+\.\d+\.\d+", plugins)
    built = ROOT / "deploy" / "hub" / services["hub"]["build"]["context"]
    assert (built / services["hub"]["build"]["dockerfile"]).resolve() == ROOT / "deploy" / "Dockerfile"


def test_the_hub_is_started_with_options_that_it_has() -> None:
    """Both ways run the same command, which the parser of the program takes."""
    (pod,) = [each for each in list_pods("postgresql") if "serviceAccountName" in each]
    for words in (COMPOSE["services"]["hub"]["command"], pod["containers"][0]["args"]):
        options = build_parser().parse_args(words)
        assert options.run == "hub:run_hub"
        assert options.hub_listen == "0.0.0.0:9465"
        assert options.behind_proxy is True
        assert options.host_name


def test_both_ways_have_the_same_images_and_limits() -> None:
    """A version is raised in all places, and ClickHouse's own logs are bounded in both."""
    images = {service["image"] for service in COMPOSE["services"].values()}
    for overlay in ("postgresql", "clickhouse"):
        assert {each["image"] for pod in list_pods(overlay) for each in pod["containers"]} < images
    limits = (ROOT / "deploy" / "hub" / "clickhouse-limits.xml").read_text(encoding="utf-8")
    (mounted,) = [each["data"] for each in list_objects("clickhouse") if each["kind"] == "ConfigMap"]
    assert mounted["limits.xml"] == limits
    logs = {each.tag: each for each in ET.fromstring(limits) if each.tag.endswith("_log")}
    assert all(each.get("remove") == "1" or each.find("ttl") is not None for each in logs.values())
    assert {"query_log", "trace_log", "text_log", "metric_log"} <= {*logs}


def test_proxies_take_the_largest_request_and_say_that_it_came_by_tls() -> None:
    """A smaller limit would refuse what a machine may send, and the hub answers only what came by TLS."""
    proxy = (ROOT / "deploy" / "hub" / "nginx.conf.template").read_text(encoding="utf-8")
    megabytes = re.search(r"client_max_body_size (\d+)m;", proxy)
    assert megabytes is not None
    assert int(megabytes[1]) * 1024 * 1024 >= MOST_REQUEST_BYTES
    assert "proxy_set_header X-Forwarded-Proto https;" in proxy
    # Without the port, a page on another than 443 could send nothing to its own origin.
    assert "proxy_set_header Host $http_host;" in proxy
    (policy,) = [
        each
        for each in list_objects("postgresql")
        if each["kind"] == "NetworkPolicy" and each["metadata"]["name"] == "stretto-hub"
    ]
    # Who reaches the hub without a proxy could claim to have come by TLS.
    assert all(rule["from"] for rule in policy["spec"]["ingress"])
    (ingress,) = [each for each in list_objects("postgresql") if each["kind"] == "Ingress"]
    assert (
        ingress["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
        == f"{megabytes[1]}m"
    )
