"""The compose file: valid, pinned, confined, on loopback, and made of files that are here and agree."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from importlib import resources
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from stretto import __version__
from stretto.cli.command_line import build_parser
from stretto.errors import StrettoError, UsageError
from stretto.servers.supervised_server_password import USER
from stretto.servers.supervisor import (
    NO_ORIGIN,
    RETENTION,
    SHIPPED,
    SHIPPED_PAGE,
    SHIPPED_PASSWORD,
    SHIPPED_TOKEN,
)
from tests.compose import FILE, ROOT, compose

STACK = compose(STRETTO_STATE="/home/me/.local/state/stretto")
SERVICES: dict[str, dict[str, Any]] = STACK["services"]
COLLECTOR = yaml.safe_load((ROOT / "deploy/otel-collector.yaml").read_text())
PROVISIONING = ROOT / "grafana" / "provisioning"
PINNED = re.compile(r"(?:docker\.io/[a-z]+/[a-z-]+|stretto):v?\d+\.\d+\.\d+")
LOOPBACK = re.compile(r"127\.0\.0\.1:(\d+):(\d+)")


def mounts(service: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Return what a service mounts as (source, target, read only)."""
    found = []
    for mount in service.get("volumes", []):
        if isinstance(mount, dict):
            found.append((mount["source"], mount["target"], mount.get("read_only", False)))
        else:
            source, target, *options = mount.split(":")
            found.append((source, target, options == ["ro"]))
    return found


def test_the_file_is_valid_by_the_compose_specification() -> None:
    """The specification's own JSON schema takes it, and refuses a misspelt key."""
    shipped = resources.files("check_jsonschema") / "builtin_schemas" / "vendor" / "compose-spec.json"
    schema = json.loads(shipped.read_text(encoding="utf-8"))
    checker = jsonschema.validators.validator_for(schema)(schema)
    written = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert [error.message for error in checker.iter_errors(written)] == []
    written["services"]["grafana"]["read_onyl"] = True
    assert list(checker.iter_errors(written))


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_is_pinned_and_confined(name: str) -> None:
    """An exact version; not root; a read-only root; no capability, and no way to gain one."""
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"])
    user = service["user"].split(":")[0]
    assert user.isdigit()
    assert user != "0"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "network_mode", "pid", "ipc", "devices"} & set(service)


def test_everything_is_published_on_loopback_only() -> None:
    """Each published port is the host's loopback's, with the number that people are told."""
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}
    for ports in published.values():
        for port in ports:
            found = LOOPBACK.fullmatch(port)
            assert found, port
            assert found[1] == found[2]
    numbers = {name: [port.rpartition(":")[2] for port in ports] for name, ports in published.items()}
    assert numbers == {
        "stretto": ["9464"], "prometheus": ["9090"], "alertmanager": ["9093"], "grafana": ["3000"],
        "collector": ["4317", "4318"], "jaeger": ["16686"],
    }  # fmt: skip


def test_every_mounted_path_is_in_the_repository() -> None:
    """What is mounted from here exists and cannot be written; all else is a named volume or the journal."""
    for name, service in SERVICES.items():
        for source, target, read_only in mounts(service):
            if source.startswith("./"):
                assert (ROOT / source).exists(), source
                assert read_only, f"{name}: {target}"
            elif source != "/home/me/.local/state/stretto/journal":
                assert source in STACK["volumes"], source


def test_the_configuration_is_that_of_the_embedded_stack() -> None:
    """The very folders that `stretto up` renders its copies from are mounted where the servers look."""
    for name, folder, file in (
        ("prometheus", "./prometheus", "/etc/prometheus/prometheus.yml"),
        ("alertmanager", "./deploy/alertmanager", "/etc/alertmanager/alertmanager.yml"),
    ):
        assert (folder, str(Path(file).parent), True) in mounts(SERVICES[name])
        assert (ROOT / folder / Path(file).name).is_file()
        assert f"--config.file={file}" in SERVICES[name]["command"]
    assert f"--storage.tsdb.retention.time={RETENTION}" in SERVICES["prometheus"]["command"]


def test_another_folder_may_stand_in_for_alertmanagers() -> None:
    """What deploy/stack.sh has merged receivers into is mounted in the same place, as much out of reach."""
    folder = "/home/me/.local/state/stretto/stack/alertmanager"
    stack = compose(STRETTO_STATE="/home/me/.local/state/stretto", STRETTO_ALERTMANAGER=folder)
    assert (folder, "/etc/alertmanager", True) in mounts(stack["services"]["alertmanager"])


def test_names_ports_and_the_token_agree_with_the_configuration() -> None:
    """The addresses that the shipped files name are services of this file, on their ports."""
    for name, address in SHIPPED.items():
        assert address == f"{name}:{SERVICES[name]['ports'][0].rpartition(':')[2]}"
    assert f"{SERVICES['stretto']['ports'][0].rpartition(':')[0]}" == SHIPPED_PAGE
    token, password, web = Path(SHIPPED_TOKEN).name, Path(SHIPPED_PASSWORD).name, "stretto-web"
    assert SERVICES["stretto"]["secrets"] == [token]
    for name in ("prometheus", "alertmanager"):
        assert SERVICES[name]["secrets"] == [token, password, web]
        assert f"--web.config.file=/run/secrets/{web}" in SERVICES[name]["command"]
    assert f"--web.cors.origin={NO_ORIGIN}" in SERVICES["prometheus"]["command"]
    # The token is the password too; the hash is a file beside it.
    assert STACK["secrets"][password] == STACK["secrets"][token]
    assert Path(STACK["secrets"][web]["file"]).parent == Path(STACK["secrets"][token]["file"]).parent
    environment = SERVICES["stretto"]["environment"]
    assert environment["STRETTO_TOKEN_FILE"] == SHIPPED_TOKEN
    # The name that the others ask by, or the guard turns them away.
    assert environment["STRETTO_HOSTS"] == SHIPPED["stretto"].partition(":")[0]
    # The only kind of secret that an engine can put into a read-only container.
    assert list(STACK["secrets"][Path(SHIPPED_TOKEN).name]) == ["file"]


def test_health_checks_and_grafana_show_the_password() -> None:
    """Each reads it from the secret's file, with the user of the servers."""
    for name, folder in (("prometheus", "prometheus"), ("alertmanager", "deploy/alertmanager")):
        (option,) = [w for w in SERVICES[name]["healthcheck"]["test"] if w.startswith("--http.config.file=")]
        mounted = Path(option.partition("=")[2])
        assert (f"./{folder}", str(mounted.parent), True) in mounts(SERVICES[name])
        client = yaml.safe_load((ROOT / folder / mounted.name).read_text())
        assert client == {"basic_auth": {"username": USER, "password_file": SHIPPED_PASSWORD}}
    assert Path(SHIPPED_PASSWORD).name in SERVICES["grafana"]["secrets"]
    for source in yaml.safe_load((PROVISIONING / "datasources/stretto.yml").read_text())["datasources"]:
        assert (source["basicAuth"], source["basicAuthUser"]) == (True, USER)
        assert source["secureJsonData"] == {"basicAuthPassword": f"$__file{{{SHIPPED_PASSWORD}}}"}


def test_the_servers_tell_people_addresses_that_work() -> None:
    """Links in alerts and notifications lead to the published ports, not to names of the inner network."""
    for name in ("prometheus", "alertmanager"):
        assert (
            f"--web.external-url=http://127.0.0.1:{SHIPPED[name].rpartition(':')[2]}"
            in (SERVICES[name]["command"])
        )
    assert SERVICES["grafana"]["environment"]["GF_SERVER_ROOT_URL"] == "http://127.0.0.1:3000"


def test_without_the_journal_the_stack_does_not_start() -> None:
    """A missing variable is complained about, and a missing folder is not made by the engine, as root's."""
    with pytest.raises(KeyError, match="make stack"):
        compose()
    [journal] = [mount for mount in SERVICES["stretto"]["volumes"] if isinstance(mount, dict)]
    assert journal["target"] == "/state/journal"
    assert journal["bind"]["create_host_path"] is False


def test_the_image_is_this_release() -> None:
    """The image carries the version, and its commands are ones that the command line takes."""
    assert SERVICES["stretto"]["image"] == f"stretto:{__version__}"
    dockerfile = (ROOT / "deploy/Dockerfile").read_text()
    assert SERVICES["stretto"]["build"] == {"context": ".", "dockerfile": "deploy/Dockerfile"}
    assert re.search(
        r"^ARG PYTHON=docker\.io/library/python:3\.\d+\.\d+-slim-[a-z]+$", dockerfile, re.MULTILINE
    )
    [command] = re.findall(r"^CMD (\[.*\])$", dockerfile, re.MULTILINE)
    build_parser().parse_args(json.loads(command))
    [user] = re.findall(r"^USER (\d+):\d+$", dockerfile, re.MULTILINE)
    assert user != "0"
    assert re.search(r"^HEALTHCHECK ", dockerfile, re.MULTILINE)
    assert "curl" not in dockerfile


def test_the_build_gets_all_that_the_wheel_is_made_of() -> None:
    """.dockerignore lets in what pyproject.toml packs, and nothing private."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    rules = [line for line in lines if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    hatch = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    for source in (*hatch["packages"], *hatch["force-include"]):
        assert any(Path(source).is_relative_to(allowed) for allowed in let_in), source
    assert not {".git", ".", "tests"} & let_in


def test_grafana_reads_from_this_stack() -> None:
    """Each data source is a service of this file by its name and port; the uids are those dashboards name."""
    sources = yaml.safe_load((PROVISIONING / "datasources/stretto.yml").read_text())["datasources"]
    assert {source["uid"]: source["type"] for source in sources} == {
        "prometheus": "prometheus", "alertmanager": "alertmanager",
    }  # fmt: skip
    for source in sources:
        assert source["url"] == f"http://{SHIPPED[source['uid']]}"
        assert source["access"] == "proxy"
    by_uid = {source["uid"]: source for source in sources}
    scrape = yaml.safe_load((ROOT / "prometheus/prometheus.yml").read_text())["global"]["scrape_interval"]
    assert by_uid["prometheus"]["isDefault"] is True
    assert by_uid["prometheus"]["jsonData"]["timeInterval"] == scrape
    assert by_uid["prometheus"]["jsonData"]["alertmanagerUid"] in by_uid


def test_grafana_finds_the_dashboards() -> None:
    """The provider reads from where the compose file mounts them."""
    [provider] = yaml.safe_load((PROVISIONING / "dashboards/stretto.yml").read_text())["providers"]
    mounted = {target: source for source, target, _ in mounts(SERVICES["grafana"])}
    assert mounted[provider["options"]["path"]] == "./grafana/dashboards"
    assert mounted["/etc/grafana/provisioning"] == "./grafana/provisioning"
    assert provider["allowUiUpdates"] is False


def test_the_collector_is_wired_without_a_loop() -> None:
    """Every pipeline is made of what is defined; what comes from Stretto never goes back to it."""
    pipelines = COLLECTOR["service"]["pipelines"]
    used: dict[str, set[str]] = {"receivers": set(), "processors": set(), "exporters": set()}
    for pipeline in pipelines.values():
        for kind, names in pipeline.items():
            used[kind] |= set(names)
        if "otlp/stretto" in pipeline["receivers"]:
            assert pipeline["exporters"] == ["otlp_grpc/jaeger"]
    assert used == {kind: set(COLLECTOR[kind]) for kind in used}
    assert {name.partition("/")[0] for name in pipelines} == {"traces", "logs", "metrics"}
    exporter = COLLECTOR["exporters"]["otlp_http/stretto"]
    assert exporter["endpoint"] == f"http://{SHIPPED['stretto']}"
    assert exporter["headers"] == {"Authorization": f"Bearer ${{file:{SHIPPED_TOKEN}}}"}


def test_only_the_agents_receiver_is_published() -> None:
    """The host's ports are the agents' receiver's; Stretto's own is reached by the address it is given."""

    def ports(receiver: str) -> list[str]:
        protocols = COLLECTOR["receivers"][receiver]["protocols"]
        return [protocol["endpoint"].rpartition(":")[2] for protocol in protocols.values()]

    assert ports("otlp/agents") == [port.rpartition(":")[2] for port in SERVICES["collector"]["ports"]]
    [inner] = ports("otlp/stretto")
    assert f"STRETTO_STACK_OTLP=http://collector:{inner}" in (ROOT / "deploy/stack.sh").read_text()


def test_traces_are_asked_for() -> None:
    """Collector and Jaeger belong to the profile, all else starts without one."""
    assert {name: service.get("profiles") for name, service in SERVICES.items()} == {
        "stretto": None, "prometheus": None, "alertmanager": None, "grafana": None,
        "collector": ["traces"], "jaeger": ["traces"],
    }  # fmt: skip


def test_the_user_unit_calls_the_command_line_as_it_is() -> None:
    """The unit's command is one that the parser takes, and systemd lets Stretto stop its servers itself."""
    unit = (ROOT / "deploy/stretto.service").read_text()
    [command] = re.findall(r"^ExecStart=%h/\.local/bin/stretto (.*)$", unit, re.MULTILINE)
    build_parser().parse_args(command.split())
    assert "KillMode=mixed" in unit


def _read_unit() -> list[tuple[str, str, str]]:
    """Return each setting of the unit as (comment above its group, name, value)."""
    settings, reason, fresh = [], "", False
    for line in (ROOT / "deploy/stretto.service").read_text().splitlines():
        if line.startswith("#"):
            reason, fresh = (reason + line if fresh else line), True
        elif "=" in line:
            name, _, value = line.partition("=")
            settings.append((reason, name, value))
            fresh = False
        else:
            reason, fresh = "", False
    return settings


HARDENING = {
    "NoNewPrivileges", "RestrictSUIDSGID", "RestrictAddressFamilies", "RestrictNamespaces",
    "RestrictRealtime", "SystemCallArchitectures", "LockPersonality", "SystemCallFilter", "UMask",
}  # fmt: skip

HARMFUL = {
    "ProtectHome", "ProtectSystem", "PrivateTmp", "PrivateUsers", "ProtectProc", "ProcSubset",
    "PrivateNetwork", "MemoryDenyWriteExecute",
}  # fmt: skip
"""What would blind sampling, hide transcripts and worktrees, or stop Python."""


def test_the_user_unit_is_hardened_without_blinding_stretto() -> None:
    """Each option has its reason above it; those that would hide agents or files are left out with theirs."""
    settings = {name: (reason, value) for reason, name, value in _read_unit()}
    assert set(settings) >= HARDENING
    assert not set(settings) & HARMFUL
    assert [name for name in HARDENING if not settings[name][0]] == []
    text = (ROOT / "deploy/stretto.service").read_text()
    assert [name for name in HARMFUL if f"{name}" not in text.partition("Left out on purpose")[2]] == []


def test_the_user_unit_gives_up_where_a_restart_does_not_help() -> None:
    """Exit codes of wrong use and of the environment end it, and so do five deaths in five minutes."""
    settings = {name: value for _, name, value in _read_unit()}
    assert str(StrettoError.exit_code) in settings["RestartPreventExitStatus"].split()
    assert str(UsageError.exit_code) in settings["RestartPreventExitStatus"].split()
    assert (settings["StartLimitIntervalSec"], settings["StartLimitBurst"]) == ("300", "5")


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_knows_every_option_of_the_unit(tmp_path: Path) -> None:
    """Systemd's own check finds no unknown name, section or value."""
    program = tmp_path / "stretto"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    unit = (ROOT / "deploy/stretto.service").read_text().replace("%h/.local/bin/stretto", str(program))
    (tmp_path / "stretto.service").write_text(unit)
    checked = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / "stretto.service")],
        capture_output=True, text=True, check=False, timeout=60,
        env={"PATH": "/usr/bin:/bin", "XDG_RUNTIME_DIR": str(tmp_path)},
    )  # fmt: skip
    assert [line for line in checked.stderr.splitlines() if "stretto.service" in line] == []
