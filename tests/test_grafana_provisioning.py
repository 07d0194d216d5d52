"""The files by which Grafana gets its data sources and dashboards, against the fields that it documents.

Grafana ignores a field that it does not know: a misspelt one would be found on a board without data.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import msgspec
import pytest
import yaml

from tests.fakes import ROOT

SHIPPED = ROOT / "grafana" / "provisioning"
OF_THE_HUB = ROOT / "deploy" / "hub" / "grafana"
SOURCES = [SHIPPED / "datasources/stretto.yml", OF_THE_HUB / "postgresql.yml", OF_THE_HUB / "clickhouse.yml"]
PROVIDERS = [SHIPPED / "dashboards/stretto.yml", OF_THE_HUB / "boards.yml"]


class Documented(msgspec.Struct, forbid_unknown_fields=True):
    """A mapping with the fields of Grafana's documentation of provisioning, in its spelling."""


class PrometheusSettings(Documented):
    """Of a data source of the type prometheus."""

    httpMethod: Literal["GET", "POST"]  # noqa: N815  # here and below: Grafana's spelling
    timeInterval: str  # noqa: N815
    prometheusType: Literal["Prometheus", "Cortex", "Mimir", "Thanos"]  # noqa: N815
    manageAlerts: bool  # noqa: N815
    alertmanagerUid: str  # noqa: N815


class AlertmanagerSettings(Documented):
    """Of a data source of the type alertmanager."""

    implementation: Literal["mimir", "cortex", "prometheus"]
    handleGrafanaManagedAlerts: bool  # noqa: N815


class PostgresqlSettings(Documented):
    """Of a data source of the type grafana-postgresql-datasource."""

    database: str
    sslmode: Literal["disable", "require", "verify-ca", "verify-full"]
    maxOpenConns: int  # noqa: N815
    timeInterval: str  # noqa: N815


class ClickhouseSettings(Documented):
    """Of a data source of ClickHouse's plugin."""

    host: str
    port: int
    protocol: Literal["native", "http"]
    username: str
    defaultDatabase: str  # noqa: N815


SETTINGS: dict[str, type[Documented]] = {
    "prometheus": PrometheusSettings,
    "alertmanager": AlertmanagerSettings,
    "grafana-postgresql-datasource": PostgresqlSettings,
    "grafana-clickhouse-datasource": ClickhouseSettings,
}


class DataSource(Documented):
    """A data source; no address in it is a browser's, and nobody edits it on the page."""

    name: str
    uid: str
    type: str
    access: Literal["proxy"]
    editable: Literal[False]
    secureJsonData: dict[Literal["password", "basicAuthPassword"], str]  # noqa: N815
    jsonData: dict[str, bool | int | str]  # noqa: N815
    url: str = ""
    user: str = ""
    basicAuth: bool = False  # noqa: N815
    basicAuthUser: str = ""  # noqa: N815
    isDefault: bool = False  # noqa: N815


class DataSourceFile(Documented):
    """A file of data sources."""

    apiVersion: Literal[1]  # noqa: N815
    datasources: list[DataSource]
    prune: bool


class FolderOptions(Documented):
    """Of a provider that reads a folder."""

    path: str
    foldersFromFilesStructure: bool  # noqa: N815


class DashboardProvider(Documented):
    """What brings the dashboards of a folder."""

    name: str
    type: Literal["file"]
    folder: str
    folderUid: str  # noqa: N815
    allowUiUpdates: bool  # noqa: N815
    disableDeletion: bool  # noqa: N815
    updateIntervalSeconds: int  # noqa: N815
    options: FolderOptions


class DashboardFile(Documented):
    """A file of providers."""

    apiVersion: Literal[1]  # noqa: N815
    providers: list[DashboardProvider]


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
def test_data_sources_have_documented_fields_alone(path: Path) -> None:
    """A misspelt field, also one of the type's own settings, is refused; one source is the default."""
    written = yaml.safe_load(path.read_text(encoding="utf-8"))
    sources = msgspec.convert(written, DataSourceFile).datasources
    for source in sources:
        msgspec.convert(source.jsonData, SETTINGS[source.type])
        # A password is read from a file: it stands in no file of the repository.
        assert all(text.startswith("$__file{/run/secrets/") for text in source.secureJsonData.values())
    assert [source.isDefault for source in sources].count(True) == 1
    written["datasources"][0]["editabel"] = False
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.convert(written, DataSourceFile)


@pytest.mark.parametrize("path", PROVIDERS, ids=lambda path: path.stem)
def test_providers_of_dashboards_have_documented_fields_alone(path: Path) -> None:
    """Each reads a folder by an absolute path inside its container."""
    (provider,) = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), DashboardFile).providers
    assert provider.options.path.startswith("/")
