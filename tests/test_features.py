from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from openfeature.provider.no_op_provider import NoOpProvider

import stretto
from stretto.api.journal_exporter import JournalSpanExporter, JournalSpanProcessor, SessionStamp
from stretto.caching import cached, get_cache
from stretto.cli.main import main
from stretto.config.loading import describe_unknown_variables, load_config
from stretto.errors import ConfigError
from stretto.features.collection_filter import Collection, decide_collection
from stretto.features.feature_settings_file import FeatureChanges, read_feature_changes, write_feature_changes
from stretto.features.feature_state_in_program import ProgramSwitch
from stretto.features.feature_switches import FEATURES, decide_feature_states
from stretto.features.open_feature_provider import StrettoProvider
from stretto.hook.client import client
from stretto.model.event import Channel, Event, Kind
from stretto.store import session_queries
from tests.fakes import list_latest, store
from tests.scenes import by_description
from tests.test_api_journal_exporter import events
from tests.test_api_tracing import sdk
from tests.test_service import started
from tests.waiting import until


def states(file: Any = (), changes: Any = (), environ: Any = ()) -> Any:
    return decide_feature_states(
        dict(file), dict(changes), dict(environ), file="config.toml", changed="features.json"
    )


def test_everything_is_on_unless_switched_off() -> None:
    """The defaults collect and show everything."""
    decided = states()
    assert decided.list_off() == []
    assert decided.level == "detailed"
    assert {state.origin for state in decided.states.values()} == {"default"}


def test_later_places_win() -> None:
    """Configuration, then commands, then the environment; each state knows its place."""
    decided = states(
        {"tests": False, "caches": False, "level": "minimal"},
        {"caches": True, "agents": False},
        {
            "STRETTO_FEATURES_AGENTS": "on",
            "STRETTO_FEATURES_LEVEL": "standard",
            "STRETTO_FEATURES_CACHING": "",
        },
    )
    assert decided.list_off() == ["tests"]
    origins = {name: decided.states[name].origin for name in ("tests", "caches", "agents", "level")}
    assert origins == {
        "tests": "config.toml", "caches": "features.json", "agents": "STRETTO_FEATURES_AGENTS",
        "level": "STRETTO_FEATURES_LEVEL",
    }  # fmt: skip
    assert decided.level == "standard"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cachign": False}, "did you mean 'caching'"), ({"caching": "maybe"}, "caching must be on or off"),
        ({"caching": 2}, "caching must be on or off"), ({"level": "low"}, "level must be one of minimal"),
    ],
)  # fmt: skip
def test_a_wrong_switch_is_named(values: dict[str, Any], message: str) -> None:
    """The error names the place, the value and the nearest name."""
    with pytest.raises(ConfigError) as caught:
        states(values)
    assert message in f"{caught.value.to_line()} {caught.value.hint}"


def test_the_configuration_has_the_switches(tmp_path: Path) -> None:
    """``[features]`` of the file and the variables are read, listed with their origin, and known."""
    (tmp_path / "config.toml").write_text("[features]\nresources = false\nlevel = 'minimal'\n")
    environ = {"STRETTO_STATE": str(tmp_path), "STRETTO_FEATURES_TESTS": "0"}
    config = load_config(environ, tmp_path)
    assert config.features.list_off() == ["resources", "tests"]
    assert config.resources_interval_seconds == 0
    listed = {setting.name: (setting.value, setting.origin) for setting in config.settings}
    assert listed["features.tests"] == (False, "STRETTO_FEATURES_TESTS")
    assert listed["features.level"] == ("minimal", str(tmp_path / "config.toml"))
    assert describe_unknown_variables(environ) == []
    (tmp_path / "config.toml").write_text("features = 3\n")
    with pytest.raises(ConfigError, match="features must be a table"):
        load_config(environ, tmp_path)


def test_a_retired_switch_stops_no_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What an earlier version kept is left out with a note; the next change removes it."""
    write_feature_changes(tmp_path, FeatureChanges({"analysis_calendar": False, "tests": False}))
    assert main(["--state", str(tmp_path), "features", "list"]) == 0
    note = capsys.readouterr().err
    assert "features.json: the switch analysis_calendar is gone" in note
    assert "analysis_slow_times decides instead" in note
    assert load_config({}, tmp_path, state=str(tmp_path)).features.list_off() == ["tests"]

    assert main(["--state", str(tmp_path), "features", "set", "caching=off"]) == 0
    assert dict(read_feature_changes(tmp_path).states) == {"tests": False, "caching": False}
    (sentence,) = describe_unknown_variables({"STRETTO_FEATURES_ANALYSIS_FORECAST": "0"})
    assert "analysis_outlooks decides instead" in sentence
    with pytest.raises(ConfigError, match="analysis_calendar"):
        states({"analysis_calendar": False})


def test_changes_can_be_taken_back(tmp_path: Path) -> None:
    """Each change keeps the states before it; the last can be taken back, one after the other."""
    changes = (
        FeatureChanges({}).set_states({"caching": False}).set_states({"level": "minimal", "tests": False})
    )
    write_feature_changes(tmp_path, changes)
    assert read_feature_changes(tmp_path) == changes
    back = changes.take_back()
    assert back is not None
    assert back.states == {"caching": False}
    first = back.take_back()
    assert first == FeatureChanges({})
    assert first is not None
    assert first.take_back() is None
    assert changes.set_states({"tests": None}).states == {"caching": False, "level": "minimal"}


@pytest.mark.parametrize("text", ["", "[]", '{"states": 3, "before": []}', '{"states": {}}'])
def test_a_damaged_file_of_changes_is_named(tmp_path: Path, text: str) -> None:
    """Commands name the file and the way out; a program counts it as not set."""
    (tmp_path / "features.json").write_text(text)
    with pytest.raises(ConfigError, match="switches cannot be read"):
        read_feature_changes(tmp_path)
    assert ProgramSwitch("caching", environ={"STRETTO_STATE": str(tmp_path)}).is_on()


def event(kind: Kind, **attributes: Any) -> Event:
    return Event(
        kind=kind, session="s", time=1, source="x", channel=Channel.API, name="worker", attributes=attributes
    )


def test_what_is_off_is_not_collected() -> None:
    """Whole events and single attributes are dropped before the journal; everything else is kept as it is."""
    off = Collection(frozenset({"caches", "tests", "agents", "executions", "resources"}))
    for kind in (Kind.CACHE_REPORT, Kind.MODEL_CALL, Kind.SAMPLE, Kind.TOOL_START):
        assert off.keep_event(event(kind)) is None
        assert Collection().keep_event(event(kind)) == event(kind)
    delegating = event(Kind.TOOL_END, tests_passed=3, test_framework="pytest", status="ok", agent="a")
    call = off.keep_event(delegating)
    assert call is not None
    assert call.attributes == {"status": "ok"}
    assert call.name == "worker"
    span = off.keep_event(event(Kind.SPAN, role="task"))
    assert span is not None
    assert span.name is None
    task = off.keep_event(event(Kind.TASK_START))
    assert task is not None
    assert task.name is None
    turn = event(Kind.TURN_START)
    assert off.keep_event(turn) is turn


def test_the_hook_client_is_given_its_part() -> None:
    """The line has the level and what hooks can leave out; nothing if everything is collected."""
    assert decide_collection(states()).to_hook_line() == ""
    assert decide_collection(states({"caches": False})).to_hook_line() == ""
    assert decide_collection(states({"tests": False})).to_hook_line() == "detailed tests"
    assert decide_collection(states({"level": "minimal", "agents": False})).to_hook_line() == "minimal agents"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_program_sees_a_change_within_a_second(tmp_path: Path) -> None:
    """File, command and environment are looked up again when the last look is a second old."""
    clock, environ = Clock(), {"STRETTO_STATE": str(tmp_path)}
    switch = ProgramSwitch("caching", clock=clock, environ=environ)
    assert switch.is_on()
    (tmp_path / "config.toml").write_text("[features]\ncaching = false\n")
    clock.now = 0.9
    assert switch.is_on()
    clock.now = 1.0
    assert not switch.is_on()
    write_feature_changes(tmp_path, FeatureChanges({"caching": True}))
    clock.now = 2.0
    assert switch.is_on()
    environ["STRETTO_FEATURES_CACHING"] = "off"
    clock.now = 3.0
    assert not switch.is_on()
    environ["STRETTO_FEATURES_CACHING"] = "nonsense"
    clock.now = 4.0
    assert switch.is_on()


@pytest.fixture
def provider() -> Iterator[Any]:
    """Set a provider for the test, and none afterwards."""
    yield api.set_provider
    api.set_provider(NoOpProvider())


def test_any_provider_of_open_feature_decides(tmp_path: Path, provider: Any) -> None:
    """A flag for all caches, and one for a single cache, which goes first."""
    environ = {"STRETTO_STATE": str(tmp_path)}
    flags = {
        "stretto.caching": InMemoryFlag("off", {"on": True, "off": False}),
        "stretto.caching.plans": InMemoryFlag("on", {"on": True, "off": False}),
    }
    provider(InMemoryProvider(flags))
    assert ProgramSwitch("caching", "plans", environ=environ).is_on()
    assert not ProgramSwitch("caching", "other", environ=environ).is_on()
    provider(InMemoryProvider({}))
    assert ProgramSwitch("caching", "other", environ=environ).is_on(), (
        "a flag it does not know: our places decide"
    )


def test_our_provider_answers_for_every_switch(tmp_path: Path, provider: Any) -> None:
    """A program that asks by OpenFeature alone gets our states, and its default for a foreign flag."""
    environ = {"STRETTO_STATE": str(tmp_path), "STRETTO_FEATURES_TESTS": "0"}
    provider(StrettoProvider(environ))
    flags = api.get_client()
    assert flags.get_boolean_value("stretto.tests", default_value=True) is False
    assert flags.get_boolean_value("stretto.caching.plans", default_value=False) is True
    assert flags.get_boolean_value("their.flag", default_value=False) is False
    assert flags.get_string_value("stretto.tests", "x") == "x"
    assert flags.get_integer_value("stretto.tests", 3) == 3
    assert flags.get_float_value("stretto.tests", 0.5) == 0.5
    assert flags.get_object_value("stretto.tests", {"a": 1}) == {"a": 1}
    assert api.get_provider_metadata().name == "stretto"


def test_a_cache_obeys_its_switch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Switched off by a command, calls are computed; back on, the cache answers again."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))
    clock, computed = Clock(), []

    @cached("obedient", clock=clock)
    def function(number: int) -> int:
        computed.append(number)
        return number

    function(1)
    function(1)
    assert len(computed) == 1
    assert main(["features", "set", "caching=off"]) == 0
    clock.now = 2
    function(1)
    assert len(computed) == 2
    assert main(["features", "rollback"]) == 0
    clock.now = 4
    function(1)
    assert len(computed) == 2
    get_cache(function).is_allowed = False
    function(1)
    assert len(computed) == 3


def test_every_switch_is_documented() -> None:
    """docs/features.md has a row for each."""
    text = (Path(__file__).parents[1] / "docs" / "features.md").read_text(encoding="utf-8")
    for feature in FEATURES.values():
        assert re.search(rf"^\| [^|]*`{feature.name}`[^|]* \|", text, re.MULTILINE), feature.name


def record(payloads: list[dict[str, Any]], collect: str) -> bytes:
    return b"".join(
        client.build_record(json.dumps(payload).encode(), number, collect=collect)
        for number, payload in enumerate(payloads)
    )


def read_kinds(records: bytes) -> set[str]:
    return {json.loads(line)["kind"] for line in records.splitlines() if line}


def recorded_session() -> list[dict[str, Any]]:
    """Return the hooks of a session with two agents, as they were sent, with 40 calls more."""
    lines = (
        (Path(client.__file__).parents[2] / "demo" / "fanout.jsonl").read_text(encoding="utf-8").splitlines()
    )
    payloads = [json.loads(line) for line in lines]
    payloads = [payload.get("payload", payload) for payload in payloads]
    session = payloads[0]["session_id"]
    for number in range(40):
        for hook in ("PreToolUse", "PostToolUse"):
            payloads.append(
                {
                    "hook_event_name": hook,
                    "session_id": session,
                    "tool_name": "Read",
                    "tool_use_id": f"t{number}",
                }
            )
    return payloads


def test_levels_leave_out_what_they_promise() -> None:
    """Standard drops calls, minimal all but sessions, turns and tasks; calls that start agents stay."""
    payloads = recorded_session()
    detailed, standard, minimal = (record(payloads, level) for level in ("", "standard", "minimal"))
    assert record(payloads, "detailed") == detailed
    assert len(detailed) >= 5 * len(minimal)
    assert len(detailed) > len(standard) >= len(minimal)
    assert (
        {"session.start", "turn.start", "task.start", "task.end"}
        <= read_kinds(minimal)
        <= read_kinds(standard)
    )
    calls = [json.loads(line) for line in minimal.splitlines() if b'"tool.' in line]
    assert calls
    assert {call["name"] for call in calls} <= {"Agent", "Task"}


def test_a_minimal_session_has_the_same_tasks(tmp_path: Path) -> None:
    """Tasks, agents and parallel executions are the same as in detail; calls are not there."""
    found = []
    for level in ("", "minimal"):
        folder = tmp_path / (level or "all")
        day = folder / "journal" / "2026-01-01.jsonl"
        day.parent.mkdir(parents=True)
        day.write_bytes(record(recorded_session(), level))
        with store(folder) as opened:
            for _ in opened.ingest.catch_up(folder / "journal"):
                pass
            (row,) = session_queries.list_sessions(opened.connection)
            session = session_queries.read_session(opened.connection, row.id, by_description)
        assert session is not None
        tasks = sorted((task.agent or "", task.start or 0, task.end or 0) for task in session.tasks)
        found.append((tasks, row.fanouts, session.outcome))
    assert found[0][0]
    assert found[0] == found[1]


def test_hooks_leave_out_single_parts() -> None:
    """Executions, agents and tests can be off at any level."""
    call = {
        "hook_event_name": "PostToolUse", "session_id": "s", "tool_name": "Bash", "tool_use_id": "t",
        "tool_input": {"command": "pytest"}, "tool_response": {"stdout": "3 passed in 1s"},
    }  # fmt: skip
    task = {"hook_event_name": "SubagentStart", "session_id": "s", "agent_id": "a", "agent_type": "critic"}
    assert b"test_framework" in record([call], "")
    assert b"test_framework" not in record([call], "detailed tests")
    assert record([call], "detailed executions") == b""
    assert b"critic" in record([task], "minimal")
    assert b"critic" not in record([task], "detailed agents")


def run_hook(state: Path, payload: dict[str, Any], **variables: str) -> bytes:
    """Run the client as an agent does; return what the journal has gained."""
    folder = state / "journal"
    before = b"".join(path.read_bytes() for path in sorted(folder.glob("*"))) if folder.exists() else b""
    script = str(Path(client.__file__).with_name("start.py"))
    done = subprocess.run(
        [sys.executable, "-I", "-S", script, str(state)],
        input=json.dumps(payload).encode(), env=variables, check=False, capture_output=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    after = b"".join(path.read_bytes() for path in sorted(folder.glob("*"))) if folder.exists() else b""
    return after[len(before) :]


def test_the_hook_process_reads_its_level(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file that a command writes, and the variable before it; what cannot be read collects everything."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))
    call = {"hook_event_name": "PreToolUse", "session_id": "s", "tool_name": "Read", "tool_use_id": "t"}
    assert b"tool.start" in run_hook(tmp_path, call)
    assert main(["features", "set", "level=minimal"]) == 0
    assert (tmp_path / "hook" / "collect").read_text() == "minimal"
    assert run_hook(tmp_path, call) == b""
    assert b"tool.start" in run_hook(tmp_path, call, STRETTO_FEATURES_LEVEL="detailed")
    (tmp_path / "hook" / "collect").write_bytes(b"\xff garbage")
    assert b"tool.start" in run_hook(tmp_path, call)
    assert main(["features", "rollback"]) == 0
    assert not (tmp_path / "hook" / "collect").exists()
    assert run_hook(tmp_path, call, STRETTO_FEATURES_LEVEL="minimal") == b""


def test_the_hook_process_reads_configured_test_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Installing the hooks writes them beside the client; without any there is no file."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    call = {
        "hook_event_name": "PostToolUse", "session_id": "s", "tool_name": "Bash", "tool_use_id": "t",
        "tool_input": {"command": "bash verify.sh"}, "tool_response": {"stdout": "3 passed, 1 failed"},
    }  # fmt: skip
    assert b"test_framework" not in run_hook(tmp_path, call)
    (tmp_path / "config.toml").write_text("[tests]\ncommands = ['verify.sh']\n")
    assert main(["hooks", "install"]) == 0
    assert b'"test_framework":"verify.sh","tests_passed":3,"tests_failed":1' in run_hook(tmp_path, call)
    (tmp_path / "config.toml").unlink()
    assert main(["hooks", "install"]) == 0
    assert not (tmp_path / "hook" / "test_commands").exists()


def test_states_are_listed_with_their_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """List, set, default and rollback answer with all states; a wrong change changes nothing."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))
    monkeypatch.setenv("STRETTO_FEATURES_TESTS", "off")
    assert main(["features", "list", "--json"]) == 0
    listed = capsys.readouterr().out
    assert main(["features", "--json"]) == 0
    assert capsys.readouterr().out == listed
    document = json.loads(listed)
    assert document["level"] == "detailed"
    rows = {row["name"]: row for row in document["features"]}
    assert rows.keys() == FEATURES.keys()
    assert (rows["tests"]["on"], rows["tests"]["origin"]) == (False, "STRETTO_FEATURES_TESTS")
    assert main(["features", "set", "caches=off", "level=standard"]) == 0
    assert re.search(r"^caches +off", capsys.readouterr().out, re.MULTILINE)
    for words, message in (
        (["caching"], "no change"),
        (["cachign=off"], "did you mean"),
        (["level=low"], "level must"),
    ):
        assert main(["features", "set", *words]) == 2
        assert message in capsys.readouterr().err
    assert main(["features", "set", "caches=default"]) == 0
    assert read_feature_changes(tmp_path).states == {"level": "standard"}
    for level in ("standard", "detailed"):
        capsys.readouterr()
        assert main(["features", "rollback", "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["level"] == level
    assert main(["features", "rollback"]) == 1
    assert "no change to take back" in capsys.readouterr().err


def test_a_program_leaves_out_what_is_off(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python API's own events: no report of caches, no agent's name."""
    off = Collection(frozenset({"caches", "agents"}))
    monkeypatch.setattr("stretto.api.cache_counters._caches", {})
    exporter = JournalSpanExporter(tmp_path / "journal", collection=off)
    processor = JournalSpanProcessor(exporter, delay_seconds=3600)
    with sdk(SessionStamp(), processor):
        with stretto.session(id="s"), stretto.task("review", agent="critic"):
            stretto.cache("plans").hit()
        assert processor.force_flush()
    written = events(tmp_path / "journal")
    kinds = {event.kind for event in written}
    assert Kind.SESSION_END in kinds
    assert Kind.CACHE_REPORT not in kinds
    assert "critic" not in "".join(path.read_text() for path in (tmp_path / "journal").glob("*"))


def test_doctor_says_what_is_switched_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A missing figure is explained where people look for trouble; with everything on there is no note."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    main(["doctor"])
    assert "switched off:" not in capsys.readouterr().out
    monkeypatch.setenv("STRETTO_FEATURES_TESTS", "off")
    monkeypatch.setenv("STRETTO_FEATURES_LEVEL", "minimal")
    main(["doctor"])
    assert "switched off: tests; level minimal" in capsys.readouterr().out


def test_a_service_with_everything_off_still_answers(tmp_path: Path) -> None:
    """Sessions and tasks are collected, figures and health are there, and nothing optional runs."""
    environ = {feature.variable: "off" for feature in FEATURES.values()} | {
        "STRETTO_FEATURES_LEVEL": "minimal"
    }
    config = load_config(environ, tmp_path, state=str(tmp_path / "state"))
    assert config.features.list_off() == [*FEATURES]
    with started(config) as service:
        assert (config.state / "hook" / "collect").read_text() == "minimal agents executions tests"
        for payload in recorded_session():
            service.intake.append_hook(json.dumps(payload).encode())
        assert until(
            lambda: (
                service.snapshot is not None
                and any(row.tasks and not row.recording for row in list_latest(service, 5))
            )
        )
        row = next(row for row in list_latest(service, 5) if row.tasks and not row.recording)
        assert row.tasks > 0
        assert b"stretto_build_info" in service.expose_metrics("").body
        assert service.list_problems() == []
    records = b"".join(path.read_bytes() for path in (config.state / "journal").glob("*"))
    assert b'"Read"' not in records
