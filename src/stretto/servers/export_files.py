"""Build the files that an existing Prometheus, Grafana, Alertmanager or Kubernetes needs for this service.

Rules and dashboards are the shipped ones. Their job, the service's public address and the waits of alerts are
replaced; an alert waits for two scrapes at least, so that a single failed scrape raises none.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from stretto.servers.alert_limits import FILE as THRESHOLDS
from stretto.servers.alert_limits import AlertLimits, replace_limits
from stretto.servers.supervisor import SHIPPED, SHIPPED_PAGE

SHIPPED_JOB = "stretto"
SHIPPED_ADDRESS = f"http://{SHIPPED_PAGE}"
_WAIT = re.compile(r"^(\s+(?:for|keep_firing_for): )(\d+)([smh])$", re.MULTILINE)
_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3600}

Files = dict[str, str]
"""Relative path → text."""


@dataclass(frozen=True, slots=True)
class ExportSettings:
    """What the files are written for."""

    job: str
    """The value of the label ``job``."""
    url: str
    """The service's address for browsers and for Prometheus, without a path at its end."""
    interval: int
    """Seconds between two scrapes."""
    namespace: str = "monitoring"
    """The namespace of Kubernetes objects."""
    token_file: str | None = None
    """Where the reading server finds the service's token, if the service asks for one."""
    limits: AlertLimits = field(default_factory=dict)
    """Limits of alerts that differ from the shipped ones."""

    @property
    def target(self) -> str:
        """The address to scrape, with its port."""
        parts = urlsplit(self.url)
        default = 443 if parts.scheme == "https" else 80
        return parts.netloc if parts.port else f"{parts.netloc}:{default}"


@dataclass(frozen=True, slots=True)
class ShippedFiles:
    """The folders of rules, of Alertmanager's files and of dashboards."""

    prometheus: Path
    alertmanager: Path
    dashboards: Path


def build_prometheus_files(shipped: ShippedFiles, settings: ExportSettings) -> Files:
    """Return a Prometheus configuration with the scrape job, and the rules it loads."""
    scrape: dict[str, Any] = {"job_name": settings.job, "scrape_interval": f"{settings.interval}s"}
    if settings.url.startswith("https:"):
        scrape["scheme"] = "https"
    scrape |= _authorize(settings)
    scrape["static_configs"] = [{"targets": [settings.target]}]
    configuration = {
        "global": {
            "scrape_interval": f"{settings.interval}s",
            "evaluation_interval": f"{settings.interval}s",
        },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [scrape],
    }
    note = "# Copy rule_files and the scrape job into your configuration.\n"
    rules = {f"rules/{name}": text for name, text in _read_rules(shipped, settings).items()}
    return {"prometheus.yml": note + _dump_yaml(configuration), **rules}


def build_grafana_files(shipped: ShippedFiles, settings: ExportSettings) -> Files:
    """Return the dashboards, and the file by which Grafana loads them."""
    provider = {
        "apiVersion": 1,
        "providers": [
            {
                "name": "stretto",
                "folder": "Stretto",
                "type": "file",
                "options": {"path": "/etc/grafana/provisioning/dashboards/stretto"},
            }
        ],
    }
    boards = {f"dashboards/{name}": text for name, text in _read_dashboards(shipped, settings).items()}
    return {"provisioning/stretto.yml": _dump_yaml(provider), **boards}


def build_mixin_files(shipped: ShippedFiles, settings: ExportSettings) -> Files:
    """Return a monitoring mixin: ``mixin.libsonnet``, which imports rules and dashboards as JSON."""
    groups = _read_groups(shipped, settings)
    alerts = [group for group in groups if any("alert" in rule for rule in group["rules"])]
    recorded = [group for group in groups if group not in alerts]
    boards = _read_dashboards(shipped, settings)
    imports = "".join(f"    '{name}': import 'dashboards/{name}',\n" for name in boards)
    mixin = (
        "{\n"
        "  prometheusAlerts+:: import 'alerts.json',\n"
        "  prometheusRules+:: import 'rules.json',\n"
        f"  grafanaDashboards+:: {{\n{imports}  }},\n"
        "}\n"
    )
    return {
        "mixin.libsonnet": mixin,
        "alerts.json": _dump_json({"groups": alerts}),
        "rules.json": _dump_json({"groups": recorded}),
        **{f"dashboards/{name}": text for name, text in boards.items()},
    }


def build_operator_files(shipped: ShippedFiles, settings: ExportSettings) -> Files:
    """Return the objects of the Prometheus operator: a ServiceMonitor and the PrometheusRules.

    The monitor selects services with the label ``app.kubernetes.io/name: JOB`` and their port ``http``.
    """
    monitor = _build_object(
        "ServiceMonitor",
        settings.job,
        settings,
        {
            "jobLabel": "app.kubernetes.io/name",
            "selector": {"matchLabels": {"app.kubernetes.io/name": settings.job}},
            "endpoints": [{"port": "http", "interval": f"{settings.interval}s"}],
        },
    )
    rules = [
        _build_object(
            "PrometheusRule",
            f"{settings.job}-{name.removesuffix('.yml').replace('_', '-')}",
            settings,
            yaml.safe_load(text),
        )
        for name, text in _read_rules(shipped, settings).items()
    ]
    return {
        "service-monitor.yml": _dump_yaml(monitor),
        "prometheus-rules.yml": "---\n".join(_dump_yaml(rule) for rule in rules),
        "kustomization.yml": _dump_yaml({"resources": ["service-monitor.yml", "prometheus-rules.yml"]}),
    }


def build_alertmanager_files(shipped: ShippedFiles, settings: ExportSettings) -> Files:
    """Return routes and receivers that send Stretto's alerts to the service, and the templates of texts."""
    configuration = yaml.safe_load((shipped.alertmanager / "alertmanager.yml").read_text(encoding="utf-8"))
    for receiver in configuration["receivers"]:
        for webhook in receiver.get("webhook_configs", ()):
            webhook["url"] = webhook["url"].replace(f"http://{SHIPPED['stretto']}", settings.url)
            webhook["http_config"] = _authorize(settings)
    templates = {
        str(path.relative_to(shipped.alertmanager)): path.read_text(encoding="utf-8").replace(
            SHIPPED_ADDRESS, settings.url
        )
        for path in sorted(shipped.alertmanager.rglob("*.tmpl"))
    }
    return {"alertmanager.yml": _dump_yaml(configuration), **templates}


def build_fleet_rule_files(shipped: ShippedFiles, settings: ExportSettings) -> Files:
    """Return the rules about teams of machines, as files and as an object of the Prometheus operator."""
    rules = _read_rules(shipped, settings, "fleet")
    groups = [group for text in rules.values() for group in yaml.safe_load(text)["groups"]]
    rule = _build_object("PrometheusRule", f"{settings.job}-fleet", settings, {"groups": groups})
    return {f"rules/fleet/{name}": text for name, text in rules.items()} | {
        "fleet-rules.yml": _dump_yaml(rule)
    }


BUILDERS: Mapping[str, Callable[[ShippedFiles, ExportSettings], Files]] = {
    "prometheus": build_prometheus_files,
    "grafana": build_grafana_files,
    "mixin": build_mixin_files,
    "operator": build_operator_files,
    "alertmanager": build_alertmanager_files,
    "fleet": build_fleet_rule_files,
}
"""Kind of export → the function that builds its files."""


def _authorize(settings: ExportSettings) -> dict[str, Any]:
    """Return the part of a configuration by which a server sends the service's token; empty without one."""
    if settings.token_file is None:
        return {}
    return {"authorization": {"credentials_file": settings.token_file}}


def _read_rules(shipped: ShippedFiles, settings: ExportSettings, folder: str = "rules") -> Files:
    """Return the text of each rules file, with job, address and waits replaced."""
    return {
        path.name: _replace_job(
            _lengthen_waits(_read_rule_text(path, settings.limits), settings.interval), settings
        )
        for path in sorted((shipped.prometheus / folder).glob("*.yml"))
    }


def _read_rule_text(path: Path, limits: AlertLimits) -> str:
    text = path.read_text(encoding="utf-8")
    return replace_limits(text, limits) if path.name == THRESHOLDS else text


def _replace_job(text: str, settings: ExportSettings) -> str:
    return text.replace(f'job="{SHIPPED_JOB}"', f'job="{settings.job}"').replace(
        SHIPPED_ADDRESS, settings.url
    )


def _lengthen_waits(text: str, interval: int) -> str:
    """Return rules whose waits last two scrapes at least. Example: ``for: 15s`` at 60 s is ``for: 120s``."""

    def lengthen(match: re.Match[str]) -> str:
        seconds = int(match[2]) * _UNIT_SECONDS[match[3]]
        return match[0] if seconds >= 2 * interval else f"{match[1]}{2 * interval}s"

    return _WAIT.sub(lengthen, text)


def _read_groups(shipped: ShippedFiles, settings: ExportSettings) -> list[dict[str, Any]]:
    return [
        group for text in _read_rules(shipped, settings).values() for group in yaml.safe_load(text)["groups"]
    ]


def _read_dashboards(shipped: ShippedFiles, settings: ExportSettings) -> Files:
    """Return the text of each dashboard with job and address replaced, and nothing finer than a scrape.

    It is renewed once a scrape at most, has no points between two scrapes, and rates over four scrapes.
    """
    boards = {}
    for path in sorted(shipped.dashboards.glob("*.json")):
        board = json.loads(
            path.read_text(encoding="utf-8")
            .replace(SHIPPED_ADDRESS, settings.url)
            .replace(f'job=\\"{SHIPPED_JOB}\\"', f'job=\\"{settings.job}\\"')
        )
        board["refresh"] = f"{max(30, settings.interval)}s"
        for panel in board["panels"]:
            for part in (panel, *panel.get("targets", ())):
                if "interval" in part:
                    part["interval"] = f"{settings.interval}s"
        boards[path.name] = _dump_json(board)
    return boards


def _build_object(kind: str, name: str, settings: ExportSettings, spec: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": settings.namespace,
            "labels": {"app.kubernetes.io/name": settings.job},
        },
        "spec": spec,
    }


def _dump_yaml(document: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000))


def _dump_json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
