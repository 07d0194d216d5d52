"""MCP: the SDK's own client reads operations, sessions and findings, over standard streams and over HTTP."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp.server.lowlevel import Server
from mcp.shared.exceptions import MCPError

from stretto.cli.main import main
from stretto.cli.make_mcp_endpoint_for_service import build_known_session, build_sessions_document
from stretto.errors import SettingsError
from stretto.findings.findings_snapshot import build_findings_document
from stretto.hook.install.agents import Scope
from stretto.hook.install.mcp_setting import (
    find_mcp_settings,
    is_our_server,
    register_mcp_server,
    unregister_mcp_server,
)
from stretto.mcp.tool_server import FINDINGS, SESSIONS, ToolSources, make_tool_server, name_session_resource
from stretto.mcp.transports import StatelessHttpEndpoint
from stretto.operations.operation_table import OPERATIONS
from stretto.state.lock import StateLock
from stretto.store.session_search import SessionQuery, find_sessions
from tests.operated import (
    DAYS,
    EXAMPLES,
    NOW,
    PATTERN,
    OperatedStore,
    make_nothing,
    strip_moment,
)
from tests.test_operation_doors import Doors
from tests.web_served import Store, served

NAMES = tuple(OPERATIONS)
CASES: tuple[tuple[str, dict[str, Any]], ...] = (
    *((name, {}) for name in NAMES),
    *((name, {"workflow": PATTERN, "options": EXAMPLES[name]}) for name in NAMES),
    *((name, {"options": {"colour": "red"}}) for name in NAMES),
)
"""Each tool without options, with the promised ones about the pattern, and with an unknown one."""


def make_tool_sources(operated: OperatedStore, ask: Callable[..., dict[str, Any]]) -> ToolSources:
    """Return the sources of tools and resources over a store."""

    def list_sessions() -> dict[str, Any]:
        with operated.sources.connect() as connection:
            return build_sessions_document(find_sessions(connection, SessionQuery(limit=3)))

    return ToolSources(
        ask_operation=ask,
        list_sessions=list_sessions,
        read_session=lambda session: build_known_session(operated.sources.session_summary(session)),
        read_findings=lambda: build_findings_document(operated.sources.findings()),
    )


@pytest.fixture(scope="module")
def doors(varied_month: OperatedStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    """A month behind a service that serves MCP, too."""
    operated = varied_month
    runner = operated.make_runner()
    sources = make_tool_sources(operated, runner.run_operation)
    backend = Store(tmp_path_factory.mktemp("web")).make_backend(
        operations=runner,
        clock=lambda: NOW,
        findings=operated.sources.findings,
        make_mcp_endpoint=lambda: StatelessHttpEndpoint(make_tool_server(sources, "1.2.3")),
    )
    with served(backend) as client:
        lock = StateLock(operated.config.state)
        lock.acquire(f"{client.base_url.host}:{client.base_url.port}")
        try:
            yield Doors(operated, runner, client)
        finally:
            lock.release()


@pytest.fixture(scope="module")
def expected(doors: Doors) -> list[dict[str, Any]]:
    """The answers of the runner to all calls, without their moment."""
    return [
        strip_moment(doors.runner.run_operation(name, arguments.get("workflow"), arguments.get("options")))
        for name, arguments in CASES
    ]


def make_client(doors: Doors, transport: str) -> Client:
    """Return the SDK's client over a transport."""
    if transport == "http":
        return Client(f"{doors.client.base_url}/mcp")
    environ = {name: os.environ[name] for name in ("PATH", "PYTHONPATH", "HOME") if name in os.environ}
    words = ["-m", "stretto", "--state", doors.state, "mcp"]
    return Client(StdioServerParameters(command=sys.executable, args=words, env=environ))


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_all_tools_answer_as_the_runner_does(
    doors: Doors, expected: list[dict[str, Any]], transport: str
) -> None:
    """63 calls by one client: answers equal but for their moment, and refusals are marked as errors."""

    async def call_all() -> list[Any]:
        async with make_client(doors, transport) as client:
            listed = await client.list_tools()
            assert [tool.name for tool in listed.tools] == [*NAMES]
            assert all(tool.annotations and tool.annotations.read_only_hint for tool in listed.tools)
            return [await client.call_tool(name, arguments) for name, arguments in CASES]

    answers = asyncio.run(call_all())
    assert [strip_moment(answer.structured_content) for answer in answers] == expected
    assert len(answers) == 63
    for answer in answers:
        assert json.loads(answer.content[0].text) == answer.structured_content
        assert answer.is_error == (answer.structured_content["status"] == "error")


def test_an_empty_store_has_the_same_answers(tmp_path: Path) -> None:
    """A client in the same process asks all tools of a store without a session."""
    operated = make_nothing(tmp_path)
    runner = operated.make_runner()
    server = make_tool_server(make_tool_sources(operated, runner.run_operation), "1.2.3")

    async def call_all() -> list[Any]:
        async with Client(server) as client:
            return [await client.call_tool(name, {}) for name in NAMES]

    answers = asyncio.run(call_all())
    assert [strip_moment(answer.structured_content) for answer in answers] == [
        strip_moment(runner.run_operation(name)) for name in NAMES
    ]


@pytest.mark.parametrize("transport", ["stdio", "http"])
def test_sessions_and_findings_are_resources(doors: Doors, transport: str) -> None:
    """The list names the latest sessions; each is read as its document, findings as theirs."""
    newest = f"d{DAYS - 1}n7"

    async def read_all() -> tuple[list[str], dict[str, Any]]:
        async with make_client(doors, transport) as client:
            listed = [resource.uri for resource in (await client.list_resources()).resources]
            (template,) = (await client.list_resource_templates()).resource_templates
            assert template.uri_template == "stretto://sessions/{id}"
            documents = {}
            for uri in (SESSIONS, FINDINGS, name_session_resource("d3n1")):
                (contents,) = (await client.read_resource(uri)).contents
                documents[uri] = json.loads(contents.text)  # type: ignore[union-attr]  # text, not a blob
            with pytest.raises(MCPError, match="there is no resource"):
                await client.read_resource(name_session_resource("none"))
            return listed, documents

    listed, documents = asyncio.run(read_all())
    if transport == "http":
        assert listed[:3] == [SESSIONS, FINDINGS, name_session_resource(newest)]
        assert documents[SESSIONS]["sessions"][0]["id"] == newest
        assert len(documents[name_session_resource("d3n1")]["tasks"]) == 5
    assert documents[FINDINGS]["checks"]["regression"] >= 1


def test_a_call_that_is_none_is_refused_by_name(doors: Doors) -> None:
    """An unknown tool, an argument beside the three, a time that is none."""
    refusals: tuple[tuple[str, dict[str, Any], str], ...] = (
        ("guess", {}, "there is no tool 'guess'"),
        ("trends", {"timeframe": "30_days"}, "options stand in 'options'"),
        ("trends", {"at": "soon"}, "at must be a time"),
        ("trends", {"workflow": 3}, "workflow must be a text"),
    )

    async def call_all() -> None:
        async with make_client(doors, "http") as client:
            for name, arguments, problem in refusals:
                with pytest.raises(MCPError, match=problem):
                    await client.call_tool(name, arguments)

    asyncio.run(call_all())


def test_a_start_that_fails_is_tried_again() -> None:
    """The request of a failed start raises its error; the next is answered, and refused as no message."""
    starts: list[None] = []
    sent: list[Any] = []

    @asynccontextmanager
    async def fail_once(_: Server[None]) -> AsyncIterator[None]:
        starts.append(None)
        if len(starts) == 1:
            raise OSError("no room")
        yield

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    async def call_twice() -> None:
        endpoint = StatelessHttpEndpoint(Server("flaky", lifespan=fail_once))
        scope = {"type": "http", "method": "POST", "path": "/mcp", "headers": [], "query_string": b""}
        with pytest.raises(OSError, match="no room"):
            await endpoint(scope, receive, send)
        await endpoint(scope, receive, send)

    asyncio.run(call_twice())
    assert sent[0]["status"] == 400


def test_a_simulated_month_can_be_asked(tmp_path: Path) -> None:
    """A service that receives nothing answers the protocol, which only reads; a hook is still refused."""
    operated = make_nothing(tmp_path)
    server = make_tool_server(make_tool_sources(operated, operated.make_runner().run_operation), "1.2.3")
    backend = Store(tmp_path / "web").make_backend(
        is_simulated=True, make_mcp_endpoint=lambda: StatelessHttpEndpoint(server)
    )

    async def list_tools(url: str) -> list[str]:
        async with Client(url) as client:
            return [tool.name for tool in (await client.list_tools()).tools]

    with served(backend) as client:
        assert asyncio.run(list_tools(f"{client.base_url}/mcp")) == [*NAMES]
        assert client.post("/hook", json={}).status_code == 409


def test_the_guard_stands_before_the_protocol(doors: Doors, tmp_path: Path) -> None:
    """A foreign page, a missing token and a large body are refused; without the extra the reason is given."""
    foreign = doors.client.post("/mcp", json={}, headers={"Origin": "https://elsewhere.example"})
    assert foreign.status_code == 403
    large = doors.client.post("/mcp", content=b"x" * (1024 * 1024 + 1))
    assert large.status_code == 413
    with served(Store(tmp_path).make_backend(token="secret")) as client:
        assert client.post("/mcp", json={}).status_code == 401
        refused = client.post("/mcp", json={}, headers={"Authorization": "Bearer secret"})
        assert (refused.status_code, refused.text.splitlines()[1]) == (501, "run 'stretto up'")


def test_without_the_extra_the_command_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither the server starts nor is it registered."""
    monkeypatch.setattr("stretto.cli.mcp_extra.find_spec", lambda _: None)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["--state", str(tmp_path / "state"), "mcp"]) == 2
    assert "the package mcp is not installed" in capsys.readouterr().err
    assert main(["--state", str(tmp_path / "state"), "hooks", "install", "--mcp"]) == 2
    assert not (tmp_path / ".claude.json").exists()


def test_the_server_is_registered_beside_others_and_taken_out(tmp_path: Path) -> None:
    """Every other byte stays; a second installation changes nothing; what was created is removed."""
    settings, state = tmp_path / ".claude.json", tmp_path / "state"
    before = '{\n  "theme": "dark",\n  "mcpServers": {\n    "theirs": {"command": "x"}\n  }\n}\n'
    settings.write_text(before)
    assert register_mcp_server(settings, ("/bin/stretto",), state)
    servers = json.loads(settings.read_text())["mcpServers"]
    assert [*servers] == ["theirs", "stretto"]
    assert servers["stretto"] == {
        "type": "stdio", "command": "/bin/stretto", "args": ["--state", str(state), "mcp"],
    }  # fmt: skip
    assert '"theme": "dark"' in settings.read_text()
    assert not register_mcp_server(settings, ("/bin/stretto",), state)
    assert register_mcp_server(settings, ("/usr/bin/python3", "-P", "-m", "stretto"), state)
    assert unregister_mcp_server(settings)
    assert json.loads(settings.read_text()) == json.loads(before)
    assert not unregister_mcp_server(settings)
    project = tmp_path / ".mcp.json"
    assert register_mcp_server(project, ("stretto",), state)
    assert unregister_mcp_server(project)
    assert not project.exists()
    assert not unregister_mcp_server(project)


def test_a_file_that_cannot_be_changed_safely_is_left_alone(tmp_path: Path) -> None:
    """No JSON, servers in another shape, the name of another server, and the local scope."""
    settings = tmp_path / ".claude.json"
    for content, problem in (
        ("{torn", "cannot be read"),
        ('{"mcpServers": []}', "a shape that is not known"),
        ("[]", "a shape that is not known"),
        ('{"mcpServers": {"stretto": {"command": "other"}}}', "another server is called 'stretto'"),
    ):
        settings.write_text(content)
        with pytest.raises(SettingsError, match=problem):
            register_mcp_server(settings, ("stretto",), tmp_path)
        assert settings.read_text() == content
    assert not is_our_server({"command": "other"})
    with pytest.raises(SettingsError, match="local servers"):
        find_mcp_settings(Scope.LOCAL, home=tmp_path, project=tmp_path, environ={})
    moved = find_mcp_settings(
        Scope.USER, home=tmp_path, project=tmp_path, environ={"CLAUDE_CONFIG_DIR": "/c"}
    )
    assert moved == Path("/c/.claude.json")


def test_hooks_install_registers_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``--mcp`` names the file, uninstall takes it out again, and no other agent is given one."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("CLAUDE_CONFIG_DIR", raising=False)
    state = ["--state", str(tmp_path / "state")]
    assert main([*state, "hooks", "install", "--mcp", "--json"]) == 0
    file = tmp_path / ".claude.json"
    assert json.loads(capsys.readouterr().out)["mcp"] == str(file)
    assert is_our_server(json.loads(file.read_text())["mcpServers"]["stretto"])
    assert main([*state, "hooks", "uninstall"]) == 0
    assert f"the MCP server: {file}" in capsys.readouterr().out
    assert not file.exists()
    assert main([*state, "hooks", "install", "--agent", "codex", "--mcp"]) == 2
    assert main([*state, "hooks", "install", "--agent", "pi", "--mcp"]) == 2


def test_the_service_does_not_load_the_protocol() -> None:
    """Only the first request does: the composition of ``stretto up`` imports without the extra."""
    probe = "import sys, stretto.cli.up; print(sorted({'mcp', 'pydantic'} & sys.modules.keys()))"
    done = asyncio.run(run_python(probe))
    assert done == "[]"


async def run_python(code: str) -> str:
    """Return what a program prints."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return out.decode().strip()
