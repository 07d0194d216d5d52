"""Every switch on every surface: what is off is said to be off, and is off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from openfeature import api
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from openfeature.provider.no_op_provider import NoOpProvider

import stretto
from stretto.caching import cached, get_cache
from stretto.config.loading import load_config
from stretto.features.choose_experiment_arm import choose_arm
from stretto.features.feature_switches import DEFAULT_STATES, FEATURES, FeatureStates, decide_feature_states
from stretto.features.open_feature_provider import StrettoProvider
from stretto.findings.analysis_run import AnalysisReplies, AnalysisReply, AnalysisRequest
from stretto.findings.analysis_table import ANALYSES
from stretto.findings.findings_snapshot import build_findings_document, read_findings_state
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict
from stretto.names import METRICS
from stretto.service.analysis_process import AnalysisRound
from stretto.service.analysis_schedule import AnalysisSchedule
from tests.fakes import append, store
from tests.scenes import BEGIN, Drawing, frame_drawing
from tests.test_api_tracing import sdk
from tests.test_cli import _own_world, answer, run  # noqa: F401  # the fixture applies by its name
from tests.test_service import configured, started
from tests.test_web_app import three_sessions
from tests.waiting import until
from tests.web_served import Store, served


def switch_off(*names: str) -> FeatureStates:
    return decide_feature_states(dict.fromkeys(names, False), {}, {}, file="config.toml", changed="")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that pages are shown of, and nothing is added to."""
    return three_sessions(tmp_path_factory.mktemp("sessions"))


def test_every_analysis_has_a_switch() -> None:
    """A new analysis needs a row in the table of switches."""
    switches = {name.removeprefix("analysis_") for name, each in FEATURES.items() if each.group == "analysis"}
    assert switches == {analysis.name for analysis in ANALYSES}


@pytest.mark.parametrize("name", FEATURES)
def test_page_and_api_say_what_is_off(sessions: Store, name: str) -> None:
    """Every page names the part, or says that pages are off; the API has the state and its origin."""
    with served(sessions.make_backend(features=switch_off(name))) as client:
        for path in ("/", "/sessions", "/agents", "/findings"):
            page = client.get(path)
            assert "switched off" in page.text
            if name == "dashboards":
                assert page.status_code == 404
            else:
                assert f"switched off: {name}" in page.text
        document = client.get("/api/features").json()
        assert client.get("/metrics").status_code == client.get("/healthz").status_code == 200
    states = {each["name"]: (each["on"], each["origin"]) for each in document["features"]}
    assert states.pop(name) == (False, "config.toml")
    assert set(states.values()) == {(True, "default")}


def test_nothing_is_said_while_everything_is_on(sessions: Store) -> None:
    """No page mentions switches; a level below the highest is mentioned."""
    assert DEFAULT_STATES.list_off() == []
    with served(sessions.make_backend()) as client:
        assert "switched off" not in client.get("/").text
    level = decide_feature_states({"level": "minimal"}, {}, {}, file="config.toml", changed="")
    with served(sessions.make_backend(features=level)) as client:
        assert "shown: level minimal" in client.get("/").text


@pytest.mark.parametrize("name", FEATURES)
def test_the_terminal_says_what_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """The list, ``doctor`` and ``top`` name it, with the place that decided it."""
    append(tmp_path / "state/journal", frame_drawing(Drawing(), 5).events)
    assert run(capsys, "rebuild")[0] == 0
    monkeypatch.setenv(FEATURES[name].variable, "off")
    rows = {each["name"]: each for each in answer(capsys, "features", "list")["features"]}
    assert (rows[name]["on"], rows[name]["origin"]) == (False, FEATURES[name].variable)
    assert f"switched off: {name}" in run(capsys, "doctor")[1]
    assert f"switched off: {name}" in run(capsys, "top")[1]
    assert answer(capsys, "top")["switched_off"] == f"switched off: {name}"


def test_metrics_say_what_is_off(tmp_path: Path) -> None:
    """A series for each part: 1 on, 0 off."""
    off = [name for number, name in enumerate(FEATURES) if number % 2]
    environ = {FEATURES[name].variable: "off" for name in off}
    config = load_config(environ, tmp_path, state=str(tmp_path / "state"))
    with started(config) as service:
        body = service.expose_metrics("").body.decode()
    for name in FEATURES:
        assert f'stretto_feature_enabled{{feature="{name}"}} {0 if name in off else 1}.0\n' in body
    assert "stretto_feature_enabled" in METRICS


FINDING = Finding(
    "task_length",
    {"type": "tests"},
    FindingVerdict.REGRESSION,
    FindingEvidence(n=50, effect=1.5, low=1.4, high=1.6),
)


@pytest.mark.parametrize("name", [analysis.name for analysis in ANALYSES])
def test_an_analysis_that_is_off_is_not_asked_and_says_so(tmp_path: Path, sessions: Store, name: str) -> None:
    """Its earlier findings are hidden while it is off, the document names it, the others are asked."""
    asked: list[AnalysisRequest] = []

    def reply(request: AnalysisRequest) -> AnalysisRound:
        asked.append(request)
        return AnalysisRound(request.instant, request.names, AnalysisReplies((), 0.0))

    with store(tmp_path) as opened:
        opened.take(frame_drawing(Drawing().task("t", 0, 10, "review"), 20).events)
        database = Path(opened.connection.execute("PRAGMA database_list").fetchone()[2])

        def schedule(**options: Any) -> AnalysisSchedule:
            return AnalysisSchedule(database, opened.folder, clock=lambda: BEGIN, zone="UTC", **options)

        before = schedule()
        before.rounds.put(
            AnalysisRound(BEGIN, (name,), AnalysisReplies((AnalysisReply(name, findings=(FINDING,)),), 0.0))
        )
        before.store_round(opened.connection)
        list(opened.ingest.catch_up(opened.folder))
        assert len(read_findings_state(opened.connection, BEGIN).open_findings) == 1
        after = schedule(switched_off=frozenset({name}), run=reply)
        after.start(opened.connection)
        after.run_soon()
        assert until(lambda: bool(asked))
        after.stop()
        state = after.state
        assert len(read_findings_state(opened.connection, BEGIN).open_findings) == 1, "on again, it is back"
    assert set(asked[0].names) == {analysis.name for analysis in ANALYSES} - {name}
    assert (state.open_findings, state.settled_findings, dict(state.results)) == ([], [], {})
    assert build_findings_document(state)["switched_off"] == [name]
    with served(sessions.make_backend(findings=lambda: state)) as client:
        assert f"<li>{name}: switched off</li>" in client.get("/findings").text


def test_answers_of_an_analysis_that_is_gone_are_left_out(tmp_path: Path) -> None:
    """After an upgrade nothing renews or ends what a removed analysis answered: no surface shows it."""
    with store(tmp_path) as opened:
        database = Path(opened.connection.execute("PRAGMA database_list").fetchone()[2])
        schedule = AnalysisSchedule(database, opened.folder, clock=lambda: BEGIN, zone="UTC")
        for name in ("calendar", "changes"):
            replies = AnalysisReplies((AnalysisReply(name, findings=(FINDING,)),), 0.0)
            schedule.rounds.put(AnalysisRound(BEGIN, (name,), replies))
        schedule.store_round(opened.connection)
        list(opened.ingest.catch_up(opened.folder))
        state = read_findings_state(opened.connection, BEGIN)
    assert [*state.results] == ["changes"]
    assert {stored.analysis for stored in state.findings} <= {"changes"}


def test_the_terminal_asks_no_analysis_that_is_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """With all of them off, no process is started, and the answer names them."""
    append(tmp_path / "state/journal", frame_drawing(Drawing(), 5).events)
    monkeypatch.setattr(
        "stretto.cli.findings_and_decision_commands.run_analysis_process", lambda _: pytest.fail("asked")
    )
    for analysis in ANALYSES:
        monkeypatch.setenv(FEATURES[f"analysis_{analysis.name}"].variable, "off")
    code, printed, _ = run(capsys, "findings")
    assert code == 0
    names = sorted(analysis.name for analysis in ANALYSES)
    assert f"switched off: {', '.join(names)}" in printed
    assert answer(capsys, "findings")["switched_off"] == names


def test_a_service_runs_no_analysis_while_all_are_off(tmp_path: Path) -> None:
    """No thread waits for them; on, there is one."""
    off = load_config(
        {FEATURES[f"analysis_{each.name}"].variable: "off" for each in ANALYSES},
        tmp_path,
        state=str(tmp_path / "off"),
    )
    with started(off) as service:
        assert not service.analyses._thread.is_alive()
    with started(configured(tmp_path)) as service:
        assert service.analyses._thread.is_alive()


def test_warming_and_similar_answers_are_switched_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is computed ahead, or answered from another call; the cache goes on."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))

    def make() -> Any:
        return cached("parts", traits=lambda number: {"read": number})(lambda number: number)

    function = make()
    assert get_cache(function).warm([(1,)]) == 1
    similar = get_cache(function).find_similar(2, least=0.4)
    assert similar is not None
    assert similar.value == 1
    monkeypatch.setenv("STRETTO_FEATURES_WARMING", "0")
    assert get_cache(make()).warm([(1,)]) == 0
    monkeypatch.setenv("STRETTO_FEATURES_SIMILAR_ANSWERS", "0")
    function = make()
    function(1)
    assert get_cache(function).find_similar(2, least=0.4) is None
    function(1)
    assert get_cache(function).counts.hits == 1
    get_cache(function).is_allowed = False
    monkeypatch.delenv("STRETTO_FEATURES_WARMING")
    assert get_cache(function).warm([(3,)]) == 0


@pytest.fixture
def flags() -> Iterator[Any]:
    """Set a provider for the test, and none afterwards."""
    yield api.set_provider
    api.set_provider(NoOpProvider())


def text_flag(**variants: str) -> InMemoryFlag[str]:
    (first, *_) = variants
    return InMemoryFlag(first, variants)


def test_an_arm_comes_from_any_provider_or_the_environment(tmp_path: Path, flags: Any) -> None:
    """The provider's word goes first, then the label of the environment, then the usual arm."""
    environ = {"STRETTO_STATE": str(tmp_path), "STRETTO_LABELS": "team=core, arm=B"}
    assert choose_arm("cache", environ={"STRETTO_STATE": str(tmp_path)}) == "A"
    assert choose_arm("cache", environ=environ) == "B"
    assert choose_arm("cache", label="team", environ=environ) == "core"
    flags(InMemoryProvider({"stretto.experiments.cache": text_flag(new="C")}))
    assert choose_arm("cache", environ=environ, session="s1") == "C"
    assert choose_arm("other", environ=environ) == "B", "a flag that it does not know: the label decides"
    flags(StrettoProvider(environ))
    client = api.get_client()
    assert client.get_string_value("stretto.experiments.cache", "A") == "B"
    assert client.get_string_value("stretto.tests", "x") == "x"
    assert choose_arm("cache", environ=environ) == "B"


def test_experiments_switched_off_give_the_usual_arm(tmp_path: Path, flags: Any) -> None:
    """By our places and by OpenFeature; the result is the program's usual way."""
    environ = {
        "STRETTO_STATE": str(tmp_path),
        "STRETTO_LABELS": "arm=B",
        "STRETTO_FEATURES_EXPERIMENTS": "off",
    }
    assert choose_arm("cache", environ=environ) == "A"
    flags(StrettoProvider(environ))
    assert choose_arm("cache", environ=environ) == "A"
    assert api.get_client().get_string_value("stretto.experiments.cache", "usual") == "usual"
    environ["STRETTO_FEATURES_EXPERIMENTS"] = "on"
    flags(InMemoryProvider({"stretto.experiments": InMemoryFlag("off", {"off": False})}))
    assert choose_arm("cache", environ=environ) == "A"


def test_a_program_has_the_labels_of_its_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """So a program that ``stretto experiment assign`` has given an arm is a run of that arm."""
    monkeypatch.setenv("STRETTO_LABELS", "arm=B,team=core")
    with sdk() as spans:
        with stretto.session("review", id="s", labels={"team": "web"}):
            pass
        (span,) = spans.all()
        assert dict(span.attributes or {})["stretto.labels"] == "arm=B,team=web"
