"""The image that deploy/Dockerfile makes, built and run by podman as the compose file says.

The base image is this machine's own Python where none can be pulled; see ``containers``.
"""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest

from stretto.servers.supervised_server_password import ServerCredentials, make_web_configuration
from tests.compose import ROOT, compose
from tests.stack.containers import Podman, build_base, flags, require_podman
from tests.stack.running import require_servers, until

pytestmark = [pytest.mark.stack, pytest.mark.slow]

NETWORK = "stretto-test"
TOKEN = secrets.token_hex(32)
PLUGIN = ROOT / "deploy" / "claude-code-plugin"
FACTS = """
import errno, json, os
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
try:
    open("/opt/stretto/written", "w")
    written = "yes"
except OSError as error:
    written = errno.errorcode[error.errno]
print(json.dumps({"uid": os.getuid(), "capabilities": int(status["CapEff"], 16),
                  "no_new_privileges": status["NoNewPrivs"].strip(), "written": written}))
"""


@dataclass(frozen=True)
class Container:
    """The service's container, with the host's side of what is mounted into it."""

    podman: Podman
    name: str
    address: str
    state: Path
    owner: tuple[int, int]

    def get(self, path: str, credential: str | None = None) -> str:
        """Return the text at a path, asked for with an Authorization header where one is given."""
        request = urllib.request.Request(f"http://{self.address}{path}")
        if credential:
            request.add_header("Authorization", credential)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return str(answer.read().decode())

    def notifications(self) -> list[str]:
        """Return the names of the alerts that Alertmanager has told the service of."""
        told = json.loads(self.get("/api/notifications", f"Bearer {TOKEN}"))["notifications"]
        return [note["alertname"] for note in told]

    def report(self, event: str, **fields: object) -> None:
        """Run the plugin's hook on the host, as the agent of the person who owns the journal would."""
        hooks = json.loads((PLUGIN / "hooks" / "hooks.json").read_text(encoding="utf-8"))["hooks"]
        payload = {"session_id": "from-the-host", "hook_event_name": event, **fields}
        ended = subprocess.run(
            ["sh", "-c", hooks[event][0]["hooks"][0]["command"]],
            input=json.dumps(payload).encode(),
            env={
                **os.environ,
                "STRETTO_STATE": str(self.state),
                "STRETTO_PYTHON": sys.executable,
                "CLAUDE_PLUGIN_ROOT": str(PLUGIN),
            },
            capture_output=True,
            check=False,
            timeout=30,
        )
        assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")
        for file in (self.state / "journal").iterdir():
            if os.geteuid() == 0:
                os.chown(file, *self.owner)


@pytest.fixture(scope="module")
def podman() -> Iterator[Podman]:
    """Podman with the image built; all it has stored is removed at the end."""
    require_podman()
    # The container's user must get through to what is mounted, which pytest's own folder does not let it.
    folder = Path(tempfile.mkdtemp(prefix="stretto-podman-"))
    folder.chmod(0o755)
    podman = Podman(folder)
    try:
        build_base(podman, "stretto-base")
        reason = podman.why_not("stretto-base")
        if reason and os.environ.get("STRETTO_REQUIRE_PODMAN") != "1":
            pytest.skip(f"podman cannot run a container here: {reason}")
        assert not reason
        podman(
            "build", "--layers=false", "--network", "host", "--format", "docker",
            "--build-arg", "PYTHON=stretto-base", "--file", str(ROOT / "deploy" / "Dockerfile"),
            "--tag", "stretto", str(ROOT),
        )  # fmt: skip
        podman("network", "create", NETWORK)
        yield podman
    finally:
        podman("rm", "--all", "--force", "--volumes", "--time", "0", check=False)
        podman("network", "rm", "--force", NETWORK, check=False)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def container(podman: Podman) -> Iterator[Container]:
    """The service running with the compose file's user, mounts and confinement."""
    root = os.geteuid() == 0
    owner = (10_001, 10_001) if root else (os.getuid(), os.getgid())
    state = podman.folder / "state"
    for folder, mode in ((state, 0o755), (state / "journal", 0o700), (state / "stack", 0o755)):
        folder.mkdir()
        folder.chmod(mode)
    token = state / "stack" / "token"
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o444)
    if root:
        os.chown(state / "journal", *owner)
    file = compose(STRETTO_STATE=str(state), STRETTO_UID=str(owner[0]), STRETTO_GID=str(owner[1]))
    service = file["services"]["stretto"]
    journal = next(mount for mount in service["volumes"] if isinstance(mount, dict))
    podman(
        "run", "--detach", "--name", "stretto", "--network", NETWORK, "--publish", "127.0.0.1::9464",
        *([] if root else ["--userns", "keep-id"]), *flags(service),
        "--volume", "stretto-state:/state",
        "--volume", f"{journal['source']}:{journal['target']}",
        "--volume", f"{file['secrets']['stretto-token']['file']}:/run/secrets/stretto-token:ro",
        "stretto",
    )  # fmt: skip
    running = Container(podman, "stretto", podman("port", "stretto", "9464/tcp"), state, owner)
    try:
        until("the service to answer", lambda: running.get("/healthz"))
        yield running
    except BaseException:
        sys.stderr.write(podman.logs("stretto"))
        raise
    finally:
        podman("rm", "--force", "--volumes", "--time", "0", "stretto", check=False)


def test_the_page_asks_for_the_token(container: Container) -> None:
    """Without it only /healthz answers; with it a browser, by Basic, and Prometheus, by Bearer, get in."""
    assert container.get("/healthz") == "alive\n"
    for path in ("/", "/metrics"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            container.get(path)
        assert refused.value.code == 401
        refused.value.close()
    browser = base64.b64encode(f"me:{TOKEN}".encode()).decode()
    assert "<html" in container.get("/", f"Basic {browser}")
    assert "stretto_build_info" in container.get("/metrics", f"Bearer {TOKEN}")


def test_the_service_is_nobody_who_matters(container: Container) -> None:
    """It is not root, has no capability, can gain none, and cannot write to its own image."""
    said = json.loads(container.podman("exec", container.name, "python3", "-c", FACTS))
    assert said == {
        "uid": container.owner[0],
        "capabilities": 0,
        "no_new_privileges": "1",
        "written": "EROFS",
    }
    assert container.podman.inspect("image", "stretto")["Config"]["User"] == "10001:10001"


def test_the_health_check_tells_alive_from_dead(container: Container) -> None:
    """The image's own check passes beside a running service, and fails where nothing answers."""
    container.podman("healthcheck", "run", container.name)
    wait = "import signal; signal.pause()"
    container.podman("run", "--detach", "--name", "dead", "--entrypoint", "python3", "stretto", "-c", wait)
    with pytest.raises(AssertionError, match="healthcheck run dead"):
        container.podman("healthcheck", "run", "dead")


def test_a_hook_on_the_host_reaches_the_figures_in_the_container(container: Container) -> None:
    """The plugin's hook writes to the host's journal; the container, which shares that folder, counts it."""
    container.report("SessionStart", source="startup")
    container.report("UserPromptSubmit", prompt="hello", prompt_id="p1")
    container.report("PreToolUse", tool_name="Grep", tool_use_id="t1")
    container.report("PostToolUse", tool_name="Grep", tool_use_id="t1", duration_ms=1500)

    line = 'stretto_tool_calls_total{outcome="success",tool="Grep"} 1.0'
    until(line, lambda: line in container.get("/metrics", f"Bearer {TOKEN}"))


def test_the_servers_reach_the_service_by_the_mounted_files(container: Container) -> None:
    """With the repository's files mounted as they are, the scrape and the webhook get in with the token.

    The servers' programs are this machine's in place of the images; user, command, mounts and confinement are
    the compose file's.
    """
    require_servers()
    alertmanager = serve(container, "alertmanager", 9093, "alertmanager", "prometheus-alertmanager")
    prometheus = serve(container, "prometheus", 9090, "prometheus")
    scraped = "/api/v1/query?" + urllib.parse.urlencode({"query": 'up{job="stretto"} == 1'})
    until("a scrape", lambda: ask(prometheus, scraped)["data"]["result"])
    until("rules", lambda: ask(prometheus, "/api/v1/rules")["data"]["groups"])
    [found] = ask(prometheus, "/api/v1/alertmanagers")["data"]["activeAlertmanagers"]
    assert found["url"].startswith("http://alertmanager:9093/")

    alert = {"labels": {"alertname": "MadeUp", "severity": "warning"}, "annotations": {"summary": "A test."}}
    request = signed(f"http://{alertmanager}/api/v2/alerts")
    request.data = json.dumps([alert]).encode()
    request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == HTTPStatus.OK
    until("the notification", lambda: "MadeUp" in container.notifications())
    check = compose(STRETTO_STATE="/x")["services"]
    for name in ("prometheus", "alertmanager"):
        if name == "prometheus" and not _takes_client_file():
            continue
        container.podman("exec", name, *check[name]["healthcheck"]["test"][1:])


def _takes_client_file() -> bool:
    """Return whether this machine's promtool knows the pinned image's option for the password's file."""
    helped = subprocess.run(
        ["promtool", "check", "healthy", "--help"], capture_output=True, text=True, check=False
    )
    return "--http.config.file" in helped.stdout + helped.stderr


def serve(container: Container, name: str, port: int, *programs: str) -> str:
    """Run a server as the compose file says, and return where it answers on this machine."""
    service = compose(STRETTO_STATE=str(container.state))["services"][name]
    tool = {"prometheus": "promtool", "alertmanager": "amtool"}[name]
    mounts = [f"{shutil.which(tool)}:/usr/bin/{tool}:ro"]
    program = next(found for each in programs if (found := shutil.which(each)))
    mounts.append(f"{program}:/usr/bin/server:ro")
    token = container.state / "stack" / "token"
    web = container.state / "stack" / "web.yml"
    if not web.exists():
        web.write_text(make_web_configuration(TOKEN))
        web.chmod(0o444)
    mounts += [f"{token}:/run/secrets/{name}:ro" for name in ("stretto-token", "stretto-password")]
    mounts.append(f"{web}:/run/secrets/stretto-web:ro")
    # Where distributions put templates and pages that upstream's programs carry inside.
    mounts += [f"{folder}:{folder}:ro" for folder in ("/usr/share/prometheus",) if Path(folder).is_dir()]
    data = []
    for mount in service["volumes"]:
        source, target, *options = mount.split(":")
        if options:
            mounts.append(f"{(ROOT / source).resolve()}:{target}:ro")
        else:
            # The servers' images have this folder, owned by their user; the base in their place has none.
            data.append(f"{target}:mode=1777")
    container.podman(
        "run", "--detach", "--name", name, "--network", NETWORK, "--publish", f"127.0.0.1::{port}",
        *flags(service), *(word for mount in mounts for word in ("--volume", mount)),
        *(word for folder in data for word in ("--tmpfs", folder)),
        "--entrypoint", "server", "stretto-base", *service["command"],
    )  # fmt: skip
    address = container.podman("port", name, f"{port}/tcp")

    def healthy() -> bool:
        with urllib.request.urlopen(signed(f"http://{address}/-/healthy"), timeout=10) as answer:
            return bool(answer.status == HTTPStatus.OK)

    try:
        until(f"{name} to answer", healthy)
    except BaseException:
        sys.stderr.write(container.podman.logs(name))
        raise
    return address


def ask(address: str, path: str) -> Any:
    """Return the JSON at a path of a server."""
    with urllib.request.urlopen(signed(f"http://{address}{path}"), timeout=10) as answer:
        return json.load(answer)


def signed(url: str) -> urllib.request.Request:
    """Return a request to a server that shows the token as the password."""
    credentials = ServerCredentials(Path(), TOKEN)
    return urllib.request.Request(url, headers={"Authorization": credentials.authorization})
