"""Build the configuration of the program that carries a machine's series to a team's engine.

The scrape sets the labels ``instance`` and ``team`` by relabelling. External labels would not do: they leave
``instance`` as the scrape address, which is the same on every laptop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import yaml

from stretto.fleet.identity import MachineIdentity
from stretto.names import PREFIX
from stretto.names.summable_machine_metrics import FLEET_PROFILE

TENANT_HEADER = "X-Scope-OrgID"
"""The header by which Mimir, Cortex and Thanos tell tenants apart."""

OTLP_ENDING = "/v1/metrics"
"""How an address ends that accepts OTLP; a remote-write address ends otherwise."""


@dataclass(frozen=True, slots=True)
class FleetSettings:
    """What a configuration is written for."""

    identity: MachineIdentity
    url: str
    """The service's address for the program that scrapes it."""
    to: str | None
    """The address that receives the series; None if a server scrapes this machine itself."""
    job: str = "stretto"
    interval: int = 60
    """Seconds between two scrapes: figures of a team need no more."""
    service_token_file: str | None = None
    """The file with the token that the service asks for."""
    token_file: str | None = None
    """The file with the token that the receiver asks for."""
    tenant: str | None = None


def build_scrape_job(settings: FleetSettings) -> dict[str, Any]:
    """Return the scrape job of this machine, in Prometheus's format."""
    address = urlsplit(settings.url)
    identity = settings.identity
    labels = {"instance": identity.instance} | ({"team": identity.team} if identity.team else {})
    job: dict[str, Any] = {
        "job_name": settings.job,
        "scrape_interval": f"{settings.interval}s",
        "params": {"profile": [FLEET_PROFILE]},
    }
    if address.scheme == "https":
        job["scheme"] = "https"
    if settings.service_token_file is not None:
        job["authorization"] = {"credentials_file": settings.service_token_file}
    job["static_configs"] = [{"targets": [address.netloc]}]
    job["relabel_configs"] = [
        {"target_label": label, "replacement": value} for label, value in labels.items()
    ]
    return job


def render_scrape_job(settings: FleetSettings) -> str:
    """Return the job for a server that scrapes this machine."""
    return _dump({"scrape_configs": [build_scrape_job(settings)]})


def build_agent_configuration(settings: FleetSettings) -> str:
    """Return the whole configuration of a Prometheus in agent mode."""
    write: dict[str, Any] = {"url": settings.to}
    if settings.token_file is not None:
        write["authorization"] = {"credentials_file": settings.token_file}
    if settings.tenant is not None:
        write["headers"] = {TENANT_HEADER: settings.tenant}
    write["write_relabel_configs"] = [
        {"source_labels": ["__name__"], "regex": f"up|{PREFIX}.*", "action": "keep"}
    ]
    interval = f"{settings.interval}s"
    return _dump(
        {
            "global": {"scrape_interval": interval},
            "scrape_configs": [build_scrape_job(settings)],
            "remote_write": [write],
        }
    )


def build_vmagent_configuration(settings: FleetSettings) -> str:
    """Return vmagent's scrape configuration, below the command that reads it."""
    words = ["vmagent", "-promscrape.config=FILE", f"-remoteWrite.url={settings.to}"]
    if settings.token_file is not None:
        words.append(f"-remoteWrite.bearerTokenFile={settings.token_file}")
    if settings.tenant is not None:
        words.append(f"-remoteWrite.headers='{TENANT_HEADER}: {settings.tenant}'")
    return f"# {' '.join(words)}\n" + render_scrape_job(settings)


def build_collector_configuration(settings: FleetSettings) -> str:
    """Return an OpenTelemetry Collector's configuration, by OTLP or by remote write as the address ends."""
    exporter: dict[str, Any]
    if str(settings.to).endswith(OTLP_ENDING):
        name, exporter = "otlphttp", {"metrics_endpoint": settings.to}
    else:
        name, exporter = "prometheusremotewrite", {"endpoint": settings.to}
    service: dict[str, Any] = {"pipelines": {"metrics": {"receivers": ["prometheus"], "exporters": [name]}}}
    document: dict[str, Any] = {
        "receivers": {"prometheus": {"config": {"scrape_configs": [build_scrape_job(settings)]}}}
    }
    if settings.tenant is not None:
        exporter["headers"] = {TENANT_HEADER: settings.tenant}
    if settings.token_file is not None:
        document["extensions"] = {"bearertokenauth": {"filename": settings.token_file}}
        exporter["auth"] = {"authenticator": "bearertokenauth"}
        service = {"extensions": ["bearertokenauth"], **service}
    return _dump(document | {"exporters": {name: exporter}, "service": service})


BUILDERS: Mapping[str, Callable[[FleetSettings], str]] = {
    "prometheus": render_scrape_job,
    "agent": build_agent_configuration,
    "vmagent": build_vmagent_configuration,
    "collector": build_collector_configuration,
}
"""Program → the function that builds its configuration. Prometheus scrapes; the others send."""

SENDERS = tuple(name for name in BUILDERS if name != "prometheus")
"""The programs that need an address to send to."""


def _dump(document: Mapping[str, Any]) -> str:
    return str(yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1000))
