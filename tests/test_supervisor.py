"""The supervisor: shipped files are found, addresses are replaced, servers are kept running and stopped."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
import yaml

from stretto.errors import ServiceError
from stretto.servers.supervisor import (
    SHIPPED,
    SHIPPED_PAGE,
    SHIPPED_PASSWORD,
    SHIPPED_TOKEN,
    SupervisedServer,
    Supervisor,
    explain_missing,
    find_free_address,
    find_program,
    find_shipped_folder,
    render_configuration,
    stop_leftover,
)
from tests.waiting import until

SLEEPER = "import sys, time; print('up', flush=True); time.sleep(600)  # stands in for a server"


def sleeper(folder: Path, code: str = SLEEPER) -> SupervisedServer:
    """A server that is a Python process with our folder among its arguments."""
    return SupervisedServer("prometheus", sys.executable, "127.0.0.1:1", folder, ("-c", code, str(folder)))


def render(name: str, target: Path, addresses: dict[str, str], secrets: Path) -> None:
    """Render a shipped folder with the token and the password in a folder."""
    source = find_shipped_folder(name)
    render_configuration(source, target, addresses, secrets / "token", secrets / "password")


def test_everything_that_ships_is_found() -> None:
    """Configuration, rules and runbook are at the paths where the service looks for them."""
    assert (find_shipped_folder("prometheus") / "prometheus.yml").is_file()
    assert list((find_shipped_folder("prometheus") / "rules").glob("*.yml"))
    assert (find_shipped_folder("alertmanager") / "alertmanager.yml").is_file()
    assert (find_shipped_folder("runbook") / "StrettoDown.md").is_file()


def test_a_missing_folder_says_what_to_do() -> None:
    """An installation without its files gives an error with the next step."""
    with pytest.raises(ServiceError) as caught:
        find_shipped_folder("nothing-of-that-name")

    assert "install stretto again" in caught.value.hint


def test_render_replaces_each_address_by_its_own(tmp_path: Path) -> None:
    """A copy has the actual addresses, even if an address equals another default; it has no tests."""
    addresses = {
        "stretto": SHIPPED["prometheus"],
        "prometheus": SHIPPED["alertmanager"],
        "alertmanager": "127.0.0.1:19093",
    }

    render_configuration(
        find_shipped_folder("prometheus"),
        tmp_path / "copy",
        addresses,
        tmp_path / "token",
        tmp_path / "password",
    )

    text = (tmp_path / "copy" / "prometheus.yml").read_text(encoding="utf-8")
    jobs = {job: text.index(f"job_name: {job}") for job in ("stretto", "prometheus", "alertmanager")}
    for job, start in jobs.items():
        assert text[start:].split("targets: [", 1)[1].startswith(f'"{addresses[job]}"')
    assert SHIPPED["stretto"] not in text
    rules = (tmp_path / "copy" / "rules" / "alerts.yml").read_text(encoding="utf-8")
    assert f"http://{addresses['stretto']}/runbook/" in rules
    assert SHIPPED_PAGE not in rules
    assert not (tmp_path / "copy" / "tests").exists()


def test_links_lead_to_the_public_address(tmp_path: Path) -> None:
    """With a public address links of alerts lead there; Prometheus scrapes the address on this machine."""
    addresses = {**SHIPPED, "stretto": "127.0.0.1:9464", "page": "https://stretto.example.org"}

    render("prometheus", tmp_path / "copy", addresses, tmp_path)

    rules = (tmp_path / "copy" / "rules" / "alerts.yml").read_text(encoding="utf-8")
    assert "https://stretto.example.org/runbook/" in rules
    assert SHIPPED_PAGE not in rules
    assert '"127.0.0.1:9464"' in (tmp_path / "copy" / "prometheus.yml").read_text(encoding="utf-8")


def test_render_removes_what_no_longer_ships(tmp_path: Path) -> None:
    """A rule file of an older version does not stay behind."""
    (tmp_path / "copy" / "rules").mkdir(parents=True)
    (tmp_path / "copy" / "rules" / "old.yml").write_text("groups: []", encoding="utf-8")

    render_configuration(
        find_shipped_folder("prometheus"),
        tmp_path / "copy",
        SHIPPED,
        tmp_path / "token",
        tmp_path / "password",
    )

    assert not (tmp_path / "copy" / "rules" / "old.yml").exists()


def test_only_addresses_and_the_token_are_replaced(tmp_path: Path) -> None:
    """With the compose file's own values the copy is byte for byte the file."""
    render_configuration(
        find_shipped_folder("alertmanager"),
        tmp_path / "copy",
        SHIPPED,
        Path(SHIPPED_TOKEN),
        Path(SHIPPED_PASSWORD),
    )

    for file in find_shipped_folder("alertmanager").glob("*.yml"):
        assert (tmp_path / "copy" / file.name).read_bytes() == file.read_bytes()


def test_a_token_is_shown_wherever_the_servers_talk_to_the_service(tmp_path: Path) -> None:
    """The scrape and every webhook name the token's file; the servers show each other the password."""
    render_configuration(
        find_shipped_folder("prometheus"), tmp_path / "p", SHIPPED, tmp_path / "token", tmp_path / "password"
    )
    render_configuration(
        find_shipped_folder("alertmanager"),
        tmp_path / "a",
        SHIPPED,
        tmp_path / "token",
        tmp_path / "password",
    )

    scrape = yaml.safe_load((tmp_path / "p" / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    shown = {"credentials_file": str(tmp_path / "token")}
    assert {job["job_name"]: job.get("authorization") for job in scrape} == {
        "stretto": shown, "prometheus": None, "alertmanager": None,
    }  # fmt: skip
    password = {"username": "stretto", "password_file": str(tmp_path / "password")}
    assert {job["job_name"]: job.get("basic_auth") for job in scrape} == {
        "stretto": None, "prometheus": password, "alertmanager": password,
    }  # fmt: skip
    told = yaml.safe_load((tmp_path / "a" / "alertmanager.yml").read_text(encoding="utf-8"))["receivers"]
    hooks = [hook for receiver in told for hook in receiver.get("webhook_configs", ())]
    assert hooks
    assert all(hook["http_config"]["authorization"] == shown for hook in hooks)


def test_find_knows_both_names_of_alertmanager() -> None:
    """Debian calls it prometheus-alertmanager; upstream's name comes first."""
    assert find_program("alertmanager", lambda name: f"/usr/bin/{name}") == "/usr/bin/alertmanager"
    assert (
        find_program("alertmanager", lambda name: None if name == "alertmanager" else name)
        == "prometheus-alertmanager"
    )
    assert find_program("prometheus", lambda _: None) is None
    assert "apt-get install prometheus-alertmanager" in explain_missing("alertmanager")


def test_a_port_in_use_gives_way_to_a_free_one() -> None:
    """A Prometheus that runs already on the default port does not keep ours from starting."""
    taken = find_free_address("127.0.0.1", 0)
    host, _, port = taken.rpartition(":")
    import socket  # noqa: PLC0415  # this test alone occupies a port

    with socket.socket() as holder:
        holder.bind((host, int(port)))
        holder.listen()
        assert find_free_address(host, int(port)) != taken


def test_a_server_that_dies_is_started_again_and_told(tmp_path: Path) -> None:
    """A death is counted and named with its log; stopping ends the wait for the next start."""
    supervisor = Supervisor([sleeper(tmp_path, "print('no', flush=True)")])
    supervisor.start()
    try:
        assert until(lambda: bool(supervisor.list_problems()))
        assert str(tmp_path / "prometheus.log") in supervisor.list_problems()[0]
    finally:
        supervisor.stop()

    assert "no" in (tmp_path / "prometheus.log").read_text(encoding="utf-8")


def test_stop_leaves_no_process_and_no_pid_file(tmp_path: Path) -> None:
    """After stop the server has ended, and no file claims that it runs."""
    supervisor = Supervisor([sleeper(tmp_path)])
    supervisor.start()
    assert until(lambda: "up" in _log(tmp_path))
    pid = int(json.loads((tmp_path / "prometheus.pid").read_text(encoding="utf-8"))["pid"])

    supervisor.stop()

    assert not psutil.pid_exists(pid)
    assert not (tmp_path / "prometheus.pid").exists()


def test_a_leftover_of_a_killed_service_is_stopped(tmp_path: Path) -> None:
    """The next start ends the server that a killed service left running."""
    left = subprocess.Popen([sys.executable, "-c", SLEEPER, str(tmp_path)], stdout=subprocess.PIPE)
    assert left.stdout is not None
    with left.stdout:
        # A process that has just been started has no arguments yet, by which it is recognised.
        assert left.stdout.readline() == b"up\n"
    server = sleeper(tmp_path)
    server.pid_file.write_text(json.dumps({"pid": left.pid, "address": server.address}), encoding="utf-8")

    stop_leftover(server.pid_file)

    # Whoever waits first gets the exit status; here that was the supervisor.
    assert left.poll() is not None


@pytest.mark.parametrize("content", ["", "not json", '{"pid": "x"}', '{"pid": -1}', "[]"])
def test_a_foreign_or_broken_pid_file_stops_nothing(tmp_path: Path, content: str) -> None:
    """Only a process with our folder in its arguments is ours to stop."""
    server = sleeper(tmp_path)
    server.pid_file.write_text(content, encoding="utf-8")
    stop_leftover(server.pid_file)

    other = subprocess.Popen([sys.executable, "-c", SLEEPER], stdout=subprocess.DEVNULL)
    server.pid_file.write_text(json.dumps({"pid": other.pid}), encoding="utf-8")
    try:
        stop_leftover(server.pid_file)
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def _log(folder: Path) -> str:
    log = folder / "prometheus.log"
    return log.read_text(encoding="utf-8") if log.exists() else ""
