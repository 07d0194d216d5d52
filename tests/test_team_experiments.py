"""Leads learn what an experiment of their team showed, once, and nothing of fewer than five people."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import combinations, product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stretto.analysis.experiment_among_people import PersonRun, choose_runs
from stretto.cli.main import main
from stretto.clock import DAY, HOUR, SECOND, to_rfc3339
from stretto.errors import EngineError
from stretto.fleet.hub_exchange import FORGET_PATH
from stretto.fleet.team_experiment_messages import EXPERIMENTS_PATH, WITHDRAW_PATH, ExperimentOrder
from stretto.hub import answer_experiment_orders, hub_app, scope_service
from stretto.hub.access_tokens import ALL_TEAMS, AccessToken, TokenRole
from stretto.hub.conclude_due_experiments import conclude_due_experiments
from stretto.hub.conclude_experiment import conclude_experiment
from stretto.hub.engine import ReceivedSession
from stretto.hub.engine_opening import HubDatabase
from stretto.hub.enough_people_release_rule import COHORT
from stretto.hub.team_experiment import (
    MOST_RUNNING,
    YEAR,
    ExperimentState,
    TeamExperiment,
    decode_team_experiment,
    define_team_experiment,
    make_stored_experiment,
)
from stretto.hub.team_experiments_table import StoredExperiment
from stretto.web.live_updates import UpdateStreams
from tests.hub_engines import TODAY, make_session, run_engine
from tests.operated import run_here
from tests.test_hub_app import Hub, run_hub
from tests.waiting import until
from tests.web_served import serve_app

BEGIN = TODAY * DAY + 9 * HOUR
ORDER: dict[str, Any] = {"name": "cache", "metric": "wall_seconds", "days": 3}
END = (TODAY + 4) * DAY
PEOPLE = tuple(f"p{number}" for number in range(12))


def make_run(owner: str, arm: str, number: int, seconds: float, **rest: Any) -> ReceivedSession:
    """Make the session of an owner in an arm, an hour or more after the definition."""
    start = BEGIN + (1 + number) * HOUR
    end = start + round(seconds * SECOND)
    row = {
        "start": start, "end": end, "outcome": "success", "pattern": "fix",
        "labels": json.dumps({"arm": arm}), "wall_parts": json.dumps({"model": end - start}),
    }  # fmt: skip
    named = {
        "owner": owner,
        "team": "red",
        "received": end + SECOND,
        "rows": {"session_runs": (row,)},
        "sums": ((end // (300 * SECOND), "tasks", ("review", "critic", "success"), 1),),
    }
    return make_session(f"{arm} {number}", **{**named, **rest})


def make_runs(people: Iterable[str], ratio: float = 1.0) -> list[ReceivedSession]:
    """Make three sessions of each person in each arm, no two of one length."""
    return [
        make_run(
            owner, arm, number, (60 + 7 * place + 3 * number) * (ratio + place / 500 if arm == "B" else 1)
        )
        for place, owner in enumerate(people)
        for arm in ("A", "B")
        for number in range(3)
    ]


def make_outsiders() -> list[ReceivedSession]:
    """Make a session of each of five people of the team who are in no arm."""
    return [make_run(f"q{number}", "C", 0, 60) for number in range(5)]


def add_tasks(session: ReceivedSession, **seconds: int) -> ReceivedSession:
    """Return a session with a task of each type, of the given length."""
    (run,) = session.document.rows["session_runs"]
    tasks = tuple(
        {"number": number, "task": type, "start": run["start"], "outcome": "success", "type": type,
         "length": length * SECOND}
        for number, (type, length) in enumerate(seconds.items())
    )  # fmt: skip
    rows = {**session.document.rows, "task_runs": tasks}
    return replace(session, document=replace(session.document, rows=rows))


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Provide a hub on a file, in the morning of the day of the definition."""
    monkeypatch.setattr(scope_service, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(hub_app, "TOKEN_SECONDS", 0.0)
    with run_engine("sqlite", tmp_path) as database, run_hub(tmp_path, database, {}) as running:
        running.now[0] = BEGIN
        yield running


def define(hub: Hub, **changes: Any) -> Any:
    """Define an experiment as the lead of a team; return the answer."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    return lead.post(EXPERIMENTS_PATH, json={**ORDER, **changes})


def get_entry(hub: Hub, name: str = "cache") -> dict[str, Any]:
    """Return an experiment as the lead of its team sees it."""
    lead = hub.client("lea", role=TokenRole.LEAD)
    listed = lead.get(EXPERIMENTS_PATH).json()["experiments"]
    return next(dict(each) for each in listed if each["name"] == name)


def conclude(hub: Hub) -> None:
    """Go to the time when the answer is due, and let the hub look."""
    hub.now[0] = END + 6 * HOUR
    hub.app.conclude_experiments()


def test_the_answer_is_worked_out_once_at_the_planned_end(hub: Hub) -> None:
    """Not before, and not again: neither late sessions nor forgotten ones change it."""
    assert define(hub).status_code == 200
    hub.database.write_sessions(make_runs(PEOPLE[:8], 1.4))
    hub.now[0] = END + 6 * HOUR - 1
    assert hub.app.conclude_experiments() == 0
    assert get_entry(hub)["effect"] is None
    conclude(hub)
    entry = get_entry(hub)
    assert (entry["state"], entry["verdict"], entry["people"]) == (
        "concluded",
        "regression",
        {"A": 8, "B": 8},
    )
    assert entry["low"] <= entry["effect"] <= entry["high"]
    assert entry["effect"] == pytest.approx(1.4, abs=0.02)
    hub.database.write_sessions(make_runs(PEOPLE[8:], 9.0))
    ann = hub.client(PEOPLE[0])
    forgotten = ann.post(FORGET_PATH, json={"sessions": ["A 0", "B 0"]})
    assert forgotten.json() == {"forgotten": 2}
    assert hub.app.conclude_experiments() == 0
    assert get_entry(hub) == entry


def test_leads_read_it_on_the_page_and_by_the_api_and_no_name_of_a_person(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it runs there is no number, not even of people; then there is the answer."""
    monkeypatch.setattr(scope_service, "run_analysis_process", run_here)
    lead, everybody = hub.client("lea", role=TokenRole.LEAD), hub.client("max", ALL_TEAMS, TokenRole.LEAD)
    assert define(hub, days=10).status_code == 200
    people = tuple(f"person-{number}" for number in range(8))
    hub.database.write_sessions(make_runs(people, 1.4))

    def list_open(client: Any) -> list[dict[str, Any]]:
        return [dict(each) for each in client.get("/api/findings").json()["open"]]

    # A first look starts the analyses, later ones see their answers.
    assert until(lambda: len(lead.get("/api/findings").json()["analyses"]) == 2)
    assert list_open(lead) == []
    begun = get_entry(hub)
    hub.now[0] = BEGIN + 7 * DAY
    assert hub.app.conclude_experiments() == 0
    assert get_entry(hub) == begun
    assert begun["people"] == {}
    hub.now[0] = (TODAY + 11) * DAY + 6 * HOUR
    hub.app.conclude_experiments()
    assert until(lambda: bool(list_open(lead)))
    (found,) = list_open(lead)
    assert (found["kind"], found["verdict"], found["evidence"]["n"]) == ("experiment", "regression", 16)
    assert found["evidence"]["runs"] == []
    assert found["advice"] == "Keep A: B is worse."
    (of_all,) = everybody.get(EXPERIMENTS_PATH).json()["experiments"]
    assert of_all == get_entry(hub)
    page = lead.get("/findings").text
    assert "cache" in page
    for text in (page, json.dumps(found), json.dumps(get_entry(hub))):
        assert "person-" not in text
    assert hub.client("leo", "blue", TokenRole.LEAD).get(EXPERIMENTS_PATH).json() == {"experiments": []}
    assert lead.post(WITHDRAW_PATH, json={"name": "cache"}).status_code == 200
    assert until(lambda: list_open(lead) == []), "the answer is still shown after it was withdrawn"


@pytest.mark.parametrize(
    ("people", "state"), [(PEOPLE[:4], "withheld"), (PEOPLE[:5], "concluded"), ((), "withheld")]
)
def test_fewer_than_five_people_in_an_arm_have_no_answer_ever(
    hub: Hub, people: tuple[str, ...], state: str
) -> None:
    """The fifth who comes later would else be the difference."""
    define(hub)
    hub.database.write_sessions(make_runs(people))
    conclude(hub)
    hub.database.write_sessions(make_runs(PEOPLE))
    assert hub.app.conclude_experiments() == 0
    assert get_entry(hub)["state"] == state


def add_runners(hub: Hub) -> None:
    """Give a pool of runners a token, whose single sessions leads may see."""
    hub.database.add_token(
        AccessToken(
            hash="ci", tenant="acme", team="red", owner="ci", role=TokenRole.ME, opted_in=True, added=1
        )
    )


def change_row(session: ReceivedSession, **changed: Any) -> ReceivedSession:
    """Return a session whose own row differs in some columns."""
    (row,) = session.document.rows["session_runs"]
    rows = {**session.document.rows, "session_runs": ({**row, **changed},)}
    return replace(session, document=replace(session.document, rows=rows))


class OtherHub:
    """Another hub on the same database."""

    def __init__(self, database: HubDatabase) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        """Return what the database has."""
        return getattr(self._database, name)


class SlowerHub(OtherHub):
    """Another hub, which read the experiments before."""

    def __init__(self, database: HubDatabase, known: list[StoredExperiment]) -> None:
        super().__init__(database)
        self._known = known

    def list_experiments(self, _: str) -> list[StoredExperiment]:
        """Return the experiments as they were."""
        return self._known


def test_runners_are_no_people_and_owners_of_one_name_are_one(hub: Hub) -> None:
    """Four people, a pool of runners that opted in, and one of them in a second team: four people."""
    add_runners(hub)
    everybody = hub.client("max", ALL_TEAMS, TokenRole.LEAD)
    assert everybody.post(EXPERIMENTS_PATH, json=ORDER).status_code == 200
    runs = make_runs((*PEOPLE[:4], "ci"))
    hub.database.write_sessions([*runs, *(replace(run, team="blue") for run in runs[:6])])
    conclude(hub)
    (entry,) = everybody.get(EXPERIMENTS_PATH).json()["experiments"]
    assert entry["state"] == "withheld"


def test_what_lies_outside_of_the_experiment_does_not_count(hub: Hub) -> None:
    """Earlier runs, runs that end later or arrive too late, other patterns, other labels, other teams."""
    define(hub, pattern="fix")
    kept = make_runs(PEOPLE[:5])
    others = [
        change_row(make_run("q0", "A", 0, 60), start=BEGIN - 1),
        change_row(make_run("q1", "A", 0, 60), end=END),
        make_run("q2", "A", 0, 60, received=END + 6 * HOUR + 1),
        change_row(make_run("q3", "A", 0, 60), pattern="release"),
        change_row(make_run("q4", "A", 0, 60), labels='{"arm": "C"}'),
        make_run("q5", "A", 0, 60, team="blue"),
    ]
    others += [
        _set_arm(replace(each, document=replace(each.document, session="B 0")), "B") for each in others
    ]
    hub.database.write_sessions([*kept, *others])
    conclude(hub)
    assert get_entry(hub)["people"] == {"A": 5, "B": 5}


@pytest.mark.parametrize(
    ("inside", "outside", "team", "compared"),
    [
        (6, 0, "red", 6),
        (6, 1, "red", None),
        (6, 1, "blue", None),
        (6, 5, "blue", 6),
        (8, 2, "red", 5),
        (8, 2, "blue", 5),
        (6, 5, "red", 6),
    ],
)
def test_those_at_work_who_are_outside_are_nobody_or_five(
    hub: Hub, inside: int, outside: int, team: str, compared: int | None
) -> None:
    """If they are fewer, some of the others are left out, too, as long as five are inside."""
    define(hub)
    others = [make_run(person, "C", 0, 60, team=team) for person in PEOPLE[inside : inside + outside]]
    hub.database.write_sessions([*make_runs(PEOPLE[:inside]), *others])
    conclude(hub)
    entry = get_entry(hub)
    assert entry["state"] == ("withheld" if compared is None else "concluded")
    assert entry["people"] == ({} if compared is None else {"A": compared, "B": compared})


def test_who_was_at_work_is_outside_also_if_it_is_forgotten_and_not_as_a_runner(hub: Hub) -> None:
    """Leads saw that day of the team. A pool of runners they see anyway, and other days are no part of it."""
    add_runners(hub)
    define(hub)
    others = make_run("ci", "C", 0, 60), make_run("fay", "C", -12, 60, received=BEGIN - HOUR)
    hub.database.write_sessions([*make_runs(PEOPLE[:6]), *make_outsiders(), *others])
    assert hub.client("q0").post(FORGET_PATH, json={"sessions": ["C 0"]}).json() == {"forgotten": 1}
    conclude(hub)
    assert get_entry(hub)["people"] == {"A": 6, "B": 6}


def test_who_is_left_out_by_lot_changes_no_number(tmp_path: Path) -> None:
    """The answer is the same, whatever the others did, their types of tasks included."""
    order = ExperimentOrder(name="cache", metric="task_seconds", days=3)
    runs = [
        add_tasks(run, tests=10 + number % 7, **({"review": 20 + number % 3} if number % 4 else {}))
        for number, run in enumerate(make_runs(PEOPLE[:8]))
    ]

    def answer(name: str, runs: list[ReceivedSession]) -> TeamExperiment:
        folder = tmp_path / name
        folder.mkdir()
        with run_engine("sqlite", folder) as database:
            defined = make_stored_experiment(define_team_experiment(order, "red", BEGIN), BEGIN)
            assert database.write_experiment("acme", defined, replaces=None)
            database.write_sessions([*runs, *(make_run(f"q{number}", "C", 0, 60) for number in range(2))])
            assert conclude_due_experiments(database, "acme", lambda: END + 6 * HOUR) == 1
            (concluded,) = database.list_experiments("acme")
        return decode_team_experiment(concluded.document)

    first = answer("first", runs)
    assert first.people == {"A": 5, "B": 5}
    assert first.result is not None
    left_out = {*PEOPLE[:8]} - first.seen["A"].keys()
    others = [add_tasks(run, tests=900, review=1) if run.owner in left_out else run for run in runs]
    assert others != runs
    assert answer("second", others) == first


def _set_arm(session: ReceivedSession, arm: str) -> ReceivedSession:
    (row,) = session.document.rows["session_runs"]
    return session if "C" in str(row["labels"]) else change_row(session, labels=json.dumps({"arm": arm}))


@pytest.mark.parametrize(
    ("others", "state"), [(0, "concluded"), (1, "withheld"), (4, "withheld"), (5, "concluded")]
)
def test_two_answers_cannot_be_subtracted_to_fewer_than_five_people(
    hub: Hub, others: int, state: str
) -> None:
    """A second experiment on the same label with some people more, in the same days."""
    define(hub)
    everybody = hub.client("max", ALL_TEAMS, TokenRole.LEAD)
    hub.database.write_sessions(make_runs(PEOPLE[:6]))
    hub.database.write_sessions([replace(each, team="blue") for each in make_runs(PEOPLE[6 : 6 + others])])
    hub.database.write_sessions(make_outsiders())
    hub.now[0] += SECOND
    everybody.post(EXPERIMENTS_PATH, json={**ORDER, "name": "wide"})
    # In the order of teams: all teams come first.
    conclude(hub)
    states = {each["name"]: each["state"] for each in everybody.get(EXPERIMENTS_PATH).json()["experiments"]}
    assert states["wide"] == "concluded"
    assert states["cache"] == state


@pytest.mark.parametrize(("people", "state"), [(0, "concluded"), (1, "withheld"), (5, "concluded")])
def test_the_tasks_of_another_type_are_a_difference_of_their_people(
    hub: Hub, people: int, state: str
) -> None:
    """The same sessions, once with all tasks and once with those of a type: some have tasks of others."""
    define(hub, metric="task_seconds")
    define(hub, name="tests", metric="task_seconds", type="tests")
    reviewers = PEOPLE[:people]
    hub.database.write_sessions(
        [
            add_tasks(session, tests=60, **({"review": 120} if session.owner in reviewers else {}))
            for session in make_runs(PEOPLE[:6])
        ]
    )
    conclude(hub)
    assert get_entry(hub)["state"] == "concluded"
    assert get_entry(hub, "tests")["state"] == state


def test_a_document_of_impossible_lengths_holds_nothing_up(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its tasks do not count; and an experiment that fails all the same is logged, the others go on."""
    define(hub, metric="task_seconds")
    hub.database.write_sessions([add_tasks(session, tests=60) for session in make_runs(PEOPLE[:6])])
    others = [add_tasks(make_run(person, "A", 0, 60), tests=-5) for person in PEOPLE[6:11]]
    hub.database.write_sessions(others)
    define(hub, name="wall")

    def fail_once(experiment: TeamExperiment, *rest: Any) -> TeamExperiment:
        if experiment.name == "wall":
            raise ValueError("math domain error")
        return conclude_experiment(experiment, *rest)

    module = "stretto.hub.conclude_due_experiments"
    with monkeypatch.context() as patched:
        patched.setattr(f"{module}.conclude_experiment", fail_once)
        conclude(hub)
    assert "the experiment 'wall' of acme" in caplog.text
    assert (get_entry(hub)["state"], get_entry(hub)["people"]["A"]) == ("concluded", 6)
    assert get_entry(hub, "wall")["state"] == "running"
    hub.app.conclude_experiments()
    assert get_entry(hub, "wall")["state"] != "running"


@pytest.mark.parametrize("metric", ["wall_seconds", "task_seconds"])
def test_answers_by_two_metrics_cannot_be_subtracted_either(hub: Hub, metric: str) -> None:
    """With a single task in each session, the two metrics are the same number."""
    everybody = hub.client("max", ALL_TEAMS, TokenRole.LEAD)
    define(hub)
    everybody.post(EXPERIMENTS_PATH, json={**ORDER, "name": "wide", "metric": metric})
    others = (replace(each, team="blue") for each in make_runs(PEOPLE[6:7]))
    hub.database.write_sessions([add_tasks(each, tests=60) for each in (*make_runs(PEOPLE[:6]), *others)])
    hub.database.write_sessions(make_outsiders())
    conclude(hub)
    assert get_entry(hub)["state"] == "withheld"


def test_who_is_left_out_changes_no_length_of_tasks(hub: Hub) -> None:
    """The levels of types are those of the people who count; else two answers would show one who does not."""
    define(hub, metric="task_seconds")
    hub.now[0] += HOUR // 2
    define(hub, name="later", metric="task_seconds")
    hub.database.write_sessions(
        [
            add_tasks(each, tests=10 + number % 5, **({"review": 20 + number % 3} if number % 4 else {}))
            for number, each in enumerate(make_runs(PEOPLE[:6]))
        ]
    )
    early = (make_run(person, "A", -1, 60, received=BEGIN + HOUR) for person in PEOPLE[6:11])
    early = (change_row(run, start=BEGIN + SECOND) for run in early)
    hub.database.write_sessions([add_tasks(run, tests=1, review=1000) for run in early])
    conclude(hub)
    first, later = get_entry(hub), get_entry(hub, "later")
    assert first["state"] == later["state"] == "concluded"
    assert [first[key] for key in ("effect", "low", "high")] == [
        later[key] for key in ("effect", "low", "high")
    ]


def test_the_answers_of_two_teams_and_of_both_show_no_single_person(hub: Hub) -> None:
    """A run between the definitions counts in that of all teams alone: the sum of the teams' lacks it."""
    everybody, blue = (
        hub.client("max", ALL_TEAMS, TokenRole.LEAD),
        hub.client("leo", "blue", TokenRole.LEAD),
    )
    everybody.post(EXPERIMENTS_PATH, json=ORDER)
    hub.now[0] += HOUR // 2
    define(hub)
    blue.post(EXPERIMENTS_PATH, json=ORDER)
    runs = [*make_runs(PEOPLE[:6]), *(replace(each, team="blue") for each in make_runs(PEOPLE[6:]))]
    early = make_run("p0", "B", -1, 60, received=BEGIN + HOUR)
    hub.database.write_sessions([*runs, change_row(early, start=BEGIN + SECOND)])
    conclude(hub)
    states = {each["team"]: each["state"] for each in everybody.get(EXPERIMENTS_PATH).json()["experiments"]}
    assert states == {"*": "concluded", "blue": "concluded", "red": "withheld"}


def test_a_runner_whose_token_was_revoked_is_no_person(hub: Hub) -> None:
    """Leads saw its sessions while it was valid."""
    add_runners(hub)
    define(hub)
    hub.database.write_sessions(make_runs((*PEOPLE[:4], "ci")))
    assert hub.database.revoke_token("acme", "ci", BEGIN + DAY)
    conclude(hub)
    assert get_entry(hub)["state"] == "withheld"


def test_a_withdrawn_answer_is_gone_and_still_guards_its_people(hub: Hub) -> None:
    """Who saw it remembers it. The name stays used."""
    define(hub)
    hub.database.write_sessions(make_runs(PEOPLE[:6]))
    hub.now[0] += SECOND
    define(hub, name="long", days=10)
    conclude(hub)
    lead = hub.client("lea", role=TokenRole.LEAD)
    assert lead.post(WITHDRAW_PATH, json={"name": "cache"}).json()["state"] == "withdrawn"
    entry = get_entry(hub)
    assert (entry["effect"], entry["people"]) == (None, {})
    assert define(hub).status_code == 400
    late = [make_run("p6", arm, 30 * 3, 90) for arm in ("A", "B")]
    hub.database.write_sessions(late)
    hub.now[0] = (TODAY + 11) * DAY + 6 * HOUR
    hub.app.conclude_experiments()
    assert get_entry(hub, "long")["state"] == "withheld", "the difference would be the seventh person"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"metric": "speed"}, "no metric 'speed'"),
        ({"arms": ["A", "A"]}, "two different arms"),
        ({"days": 0}, "from 1 to 180 days"),
        ({"type": "tests"}, "task_seconds"),
        ({"name": "a/b"}, "letters"),
        ({"name": " a"}, "letters"),
        ({"name": "\u0441ache"}, "letters"),
        ({"label": ""}, "key of a label"),
        ({"label": "x" * 129}, "printable"),
        ({"arms": ["A", "B\x1b[2J"]}, "printable"),
        ({"pattern": ""}, "printable"),
        ({"arms": ["A", "B", "C"]}, "not an order"),
    ],
)
def test_what_cannot_be_an_experiment_is_refused(hub: Hub, changes: dict[str, Any], problem: str) -> None:
    """With what is wrong, and nothing is stored."""
    answer = define(hub, **changes)
    assert answer.status_code == 400
    assert problem in answer.text
    assert hub.database.list_experiments("acme") == []


@pytest.mark.parametrize(
    "body", [b'{"name":"\xff","sessions":["\xff"]}', b'{"name":"x","z":' + b"[" * 100_000]
)
@pytest.mark.parametrize("path", [EXPERIMENTS_PATH, WITHDRAW_PATH, FORGET_PATH])
def test_an_order_that_is_no_text_or_too_deep_is_malformed(hub: Hub, path: str, body: bytes) -> None:
    """It is answered as other malformed orders are, with 400."""
    answer = hub.client("lea", role=TokenRole.LEAD).post(path, content=body)
    assert answer.status_code == 400
    assert "not an order" in answer.text


def test_only_leads_define_and_withdraw_and_only_for_their_team(hub: Hub) -> None:
    """Others are refused; a name is used once, and ten run at once."""
    for role in (TokenRole.ME, TokenRole.ADMIN):
        assert hub.client("ann", role=role).get(EXPERIMENTS_PATH).status_code == 403
    for number in range(MOST_RUNNING):
        assert define(hub, name=f"e{number}").status_code == 200
    assert "withdraw one" in define(hub, name="more").text
    other = hub.client("leo", "blue", TokenRole.LEAD)
    assert other.post(WITHDRAW_PATH, json={"name": "e0"}).status_code == 400
    assert other.post(EXPERIMENTS_PATH, json={**ORDER, "name": "e0"}).status_code == 200
    assert other.post(EXPERIMENTS_PATH, json={**ORDER, "name": "e0"}).status_code == 400


@pytest.mark.parametrize(
    ("most", "whose", "team"),
    [("MOST_OF_TEAM", "the team", "red"), ("MOST_OF_TENANT", "the organisation", "blue")],
)
def test_so_many_experiments_begin_in_a_year(
    hub: Hub, monkeypatch: pytest.MonkeyPatch, most: str, whose: str, team: str
) -> None:
    """Withdrawn ones are among them. The refusal says from when on there may be another."""
    monkeypatch.setattr(answer_experiment_orders, most, 2)
    for number in range(2):
        hub.now[0] = BEGIN + number * DAY
        assert define(hub, name=f"e{number}").status_code == 200
    red, lead = (hub.client("lea", name, TokenRole.LEAD) for name in ("red", team))
    assert red.post(WITHDRAW_PATH, json={"name": "e0"}).status_code == 200
    refused = lead.post(EXPERIMENTS_PATH, json={**ORDER, "name": "e2"})
    assert refused.status_code == 400
    assert f"{whose} began 2 experiments within 365 days" in refused.text
    assert f"after {to_rfc3339(BEGIN + YEAR)}" in refused.text
    hub.now[0] = BEGIN + YEAR
    assert lead.post(EXPERIMENTS_PATH, json={**ORDER, "name": "e2"}).status_code == 200


RUNS = st.lists(
    st.builds(
        lambda person, arm, hour: (f"p{person}", arm, hour),
        st.integers(0, 11), st.sampled_from(("A", "B")), st.integers(0, 5),
    ),
    min_size=20, max_size=120, unique=True,
)  # fmt: skip
WINDOWS = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4), st.booleans(), st.sampled_from(("", "tests", "all"))),
    min_size=2, max_size=5,
)  # fmt: skip
TASKS_OF = {"p0": (), "p1": (), "p2": ("tests", "review"), "p3": ("tests", "review")}
"""The types of the tasks of some; everybody else has tests alone."""


@settings(max_examples=40)
@given(RUNS, WINDOWS)
def test_no_two_shown_answers_differ_by_fewer_than_five_people(
    runs: list[tuple[str, str, int]], windows: list[tuple[int, int, bool, str]]
) -> None:
    """Whatever people, runs, times and metrics: runs of nobody or of five people differ.

    So it is between two arms, and between an arm and two others of different people together.
    """
    shown: list[dict[str, dict[str, set[tuple[str, ...]]]]] = []
    concluded: list[TeamExperiment] = []
    for number, (start, length, is_paired, types) in enumerate(windows):
        metric = "task_seconds" if types else "wall_seconds"
        order = ExperimentOrder(name=f"e{number}", metric=metric, days=1, is_paired=is_paired)
        experiment = TeamExperiment(team="red", order=order, start=start, end=start + length)
        inside = list_runs_inside(runs, range(start, start + length), types)
        ended = conclude_experiment(experiment, inside, concluded, [])
        concluded.append(ended)
        if ended.state is ExperimentState.CONCLUDED:
            parts: dict[str, dict[str, set[tuple[str, ...]]]] = {"A": defaultdict(set), "B": defaultdict(set)}
            for run in choose_runs(inside, ("A", "B"), is_paired=is_paired):
                parts[run.arm][run.person].add((run.id, *run.tasks))
            assert all(len(people) >= COHORT for people in parts.values())
            shown.append(parts)
    for with_tasks in (True, False):
        answers = [[cut_runs(arm, with_tasks=with_tasks) for arm in parts.values()] for parts in shown]
        for one, other in combinations(answers, 2):
            for first, second in product(one, other):
                assert count_differing(first, second) not in range(1, COHORT)
        arms = [arm for answer in answers for arm in answer]
        pairs = [{**one, **other} for one, other in combinations(arms, 2) if one.keys().isdisjoint(other)]
        for pair, whole in product(pairs, arms):
            assert count_differing(pair, whole) not in range(1, COHORT)


def list_runs_inside(runs: list[tuple[str, str, int]], hours: range, types: str) -> list[PersonRun]:
    """Return the runs of some hours; by tasks of a type or of all types, those that have such tasks."""
    inside = []
    for person, arm, hour in runs:
        tasks = TASKS_OF.get(person, ("tests",)) if types else ()
        counted = tasks if types == "all" else tasks[:1]
        if hour in hours and (counted or not types):
            inside.append(PersonRun(person, arm, 1.0 + hour + len(person), "", f"{arm} {hour}", counted))
    return inside


def cut_runs(arm: dict[str, set[tuple[str, ...]]], *, with_tasks: bool) -> dict[str, set[tuple[str, ...]]]:
    """Return the runs of each person, with their tasks or as sessions alone."""
    return {
        person: {run if with_tasks else run[:1] for run in of_person} for person, of_person in arm.items()
    }


def count_differing(first: dict[str, Any], second: dict[str, Any]) -> int:
    """Return of how many people different runs count in two arms."""
    return sum(first.get(person) != second.get(person) for person in first.keys() | second.keys())


def test_two_hubs_conclude_once(tmp_path: Path) -> None:
    """The second one finds the state that it read replaced, and stores nothing."""
    with run_engine("sqlite", tmp_path) as database, run_hub(tmp_path, database, {}) as hub:
        hub.now[0] = BEGIN
        define(hub)
        database.write_sessions(make_runs(PEOPLE))
        (stored,) = database.list_experiments("acme")
        hub.now[0] = END + 6 * HOUR

        assert conclude_due_experiments(database, "acme", lambda: hub.now[0]) == 1
        (after,) = database.list_experiments("acme")
        assert conclude_due_experiments(SlowerHub(database, [stored]), "acme", lambda: hub.now[0] + 1) == 0
        assert database.list_experiments("acme") == [after]
        assert decode_team_experiment(after.document).state is ExperimentState.CONCLUDED


def test_a_hub_that_was_slower_goes_on_with_nothing_that_it_read_before(tmp_path: Path) -> None:
    """Its list lacks the other one's answer, beside which the next would show a single person."""
    with run_engine("sqlite", tmp_path) as database, run_hub(tmp_path, database, {}) as hub:
        hub.now[0] = BEGIN
        define(hub)
        everybody = hub.client("max", ALL_TEAMS, TokenRole.LEAD)
        everybody.post(EXPERIMENTS_PATH, json={**ORDER, "name": "wide"})
        others = (replace(each, team="blue") for each in make_runs(PEOPLE[6:7]))
        database.write_sessions([*make_runs(PEOPLE[:6]), *others])
        before = database.list_experiments("acme")
        now = END + 6 * HOUR

        slower = SlowerHub(database, before)

        class Faster(OtherHub):
            """A hub that is interrupted after its first answer."""

            of_slower: int | None = None
            """How many the slower hub changed meanwhile."""

            def write_experiment(self, *words: Any, **rest: Any) -> bool:
                is_written = database.write_experiment(*words, **rest)
                if self.of_slower is None:
                    self.of_slower = conclude_due_experiments(slower, "acme", lambda: now + 5)
                return is_written

        faster = Faster(database)
        assert conclude_due_experiments(faster, "acme", lambda: now) == 2
        assert faster.of_slower == 0
        states = [decode_team_experiment(each.document).state for each in database.list_experiments("acme")]
        assert states == [ExperimentState.CONCLUDED, ExperimentState.WITHHELD]


def test_a_hub_that_cannot_conclude_one_goes_on_only_if_no_other_hub_could(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other one has concluded it meanwhile, and the answer that follows would show a single person."""
    with run_engine("sqlite", tmp_path) as database, run_hub(tmp_path, database, {}) as hub:
        hub.now[0] = BEGIN
        define(hub)
        hub.now[0] += SECOND
        everybody = hub.client("max", ALL_TEAMS, TokenRole.LEAD)
        everybody.post(EXPERIMENTS_PATH, json={**ORDER, "name": "wide"})
        others = (replace(each, team="blue") for each in make_runs(PEOPLE[6:7]))
        database.write_sessions([*make_runs(PEOPLE[:6]), *others, *make_outsiders()])
        now = END + 6 * HOUR
        module = "stretto.hub.conclude_due_experiments"

        class Stopped(OtherHub):
            """A hub that is stopped after its first answer."""

            def write_experiment(self, *words: Any, **rest: Any) -> bool:
                if words[1].name != "wide":
                    raise EngineError("the hub is stopped")
                return database.write_experiment(*words, **rest)

        def fail_after_the_other(*_: Any) -> TeamExperiment:
            monkeypatch.setattr(f"{module}.conclude_experiment", conclude_experiment)
            with pytest.raises(EngineError):
                conclude_due_experiments(Stopped(database), "acme", lambda: now)
            raise ValueError("math domain error")

        monkeypatch.setattr(f"{module}.conclude_experiment", fail_after_the_other)
        assert conclude_due_experiments(database, "acme", lambda: now + 5) == 0
        assert conclude_due_experiments(database, "acme", lambda: now + 9) == 1
        states = {
            each.name: decode_team_experiment(each.document).state
            for each in database.list_experiments("acme")
        }
        assert states == {"wide": ExperimentState.CONCLUDED, "cache": ExperimentState.WITHHELD}


def test_an_experiment_ends_with_a_whole_day() -> None:
    """Three days after that of the definition, whatever its hour."""
    order = ExperimentOrder(name="cache", metric="tokens", days=3)
    for now in (TODAY * DAY, BEGIN, (TODAY + 1) * DAY - 1):
        assert define_team_experiment(order, "red", now).end == END


def test_a_lead_defines_lists_and_withdraws_by_the_command_line(
    hub: Hub, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the token in a file; what the hub refuses is printed."""
    monkeypatch.delenv("STRETTO_REQUIRE_SERVERS", raising=False)
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path / "home"))
    token = str(hub.client("lea", role=TokenRole.LEAD).headers["Authorization"]).removeprefix("Bearer ")
    (tmp_path / "token").write_text(token, encoding="utf-8")
    with serve_app(hub.app, UpdateStreams()) as client:
        where = ["--url", str(client.base_url), "--token-file", str(tmp_path / "token")]
        words = ["--metric", "tokens", "--days", "3", "--people", "one-arm"]
        assert main(["hub", "define-experiment", "cache", *words, *where]) == 0
        assert "STRETTO_LABELS=arm=B" in capsys.readouterr().out
        assert main(["hub", "define-experiment", "cache", *words, *where]) == 3
        assert "another name" in capsys.readouterr().err
        assert main(["hub", "list-experiments", "--json", *where]) == 0
        (entry,) = json.loads(capsys.readouterr().out)["experiments"]
        assert (entry["name"], entry["is_paired"], entry["end"]) == ("cache", False, END)
        assert main(["hub", "withdraw-experiment", "cache", *where]) == 0
        assert "withdrawn" in capsys.readouterr().out
    assert main(["hub", "define-experiment", "x", "--arms", "A", *words, *where]) == 2
    assert main(["hub", "list-experiments", *where[:2], "--token-file", str(tmp_path / "no")]) == 2
