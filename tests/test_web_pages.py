"""The pages: right at a glance, honest about what is absent, and safe whatever agents call their work."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from importlib import resources
from itertools import pairwise
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stretto.cli.up import _find_runbooks, _read_runbook
from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.figures.figure import Figure
from stretto.figures.sequential_baseline_choice import Provenance
from stretto.figures.window_gain_verdict import HeadlineRule, build_verdict
from stretto.format import quantities
from stretto.model.event import Event, Kind, Outcome, Value
from stretto.names import METRICS
from stretto.sources.redact import redact_text
from stretto.store.database import open_reader
from stretto.summaries.silent_running_tasks import StuckTask
from stretto.summaries.snapshot import LATEST, take_snapshot
from stretto.web import markdown, verdict_in_words
from stretto.web.page_terms import ABSENT, DEFINITIONS
from stretto.web.renderer import REFRESH_SECONDS
from tests.scenes import Drawing, frame_drawing
from tests.test_notification_log import alert, message
from tests.test_work_and_outcome_figures import measured, sums_of
from tests.web_page import ARCHITECTURE, TESTS, Page, full, read, shown
from tests.web_served import NOON, Store, Work, served


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Return an empty store."""
    return Store(tmp_path)


@pytest.fixture(scope="module")
def full_client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    """Serve sessions that fill every part of the overview, to tests that only read."""
    made = Store(tmp_path_factory.mktemp("full"))
    full(made)
    with shown(made) as client:
        yield client


# The verdict.


def test_the_verdict_comes_first_in_one_sentence(store: Store) -> None:
    """The headline says how much faster, the sentence how much time and over what."""
    full(store)
    with shown(store) as client:
        text = read(client).text

    assert "Together up to 1.67× as fast as one after another" in text
    assert "20 s saved in the last 24 h: 2 tasks, 1 parallel execution." in text
    assert "Baseline: measured" in text
    assert "Each task is compared with the mean length of its type there" in text


@pytest.mark.parametrize(
    ("hours", "title", "lead"),
    [
        (25 / 3600, "Together 1.67× as fast as one after another", "20 s saved in"),
        (10 / 3600, "Together 0.67× as fast as one after another", "10 s lost in"),
        (15 / 3600, "Together as fast as one after another", "Nothing saved in"),
    ],
)
def test_a_loss_and_a_draw_are_said_as_plainly(store: Store, hours: float, title: str, lead: str) -> None:
    """A loss is shown in the same place as a gain; hours that were chosen make no upper bound."""
    store.scene("together", NOON - 2 * HOUR, (ARCHITECTURE, TESTS))
    types = ("architecture", "testing", "other", "test_strategy", "tests", "review")
    rule = HeadlineRule(Provenance.CONFIGURED, 1.0, dict.fromkeys(types, hours))
    store.refresh()
    with closing(open_reader(store.config.database)) as connection:
        known = dict.fromkeys(types, hours)
        snapshot = take_snapshot(connection, NOON, store.config.task_types, known, rule=rule)

    line = verdict_in_words.build_headline(snapshot, "24h")

    assert line.title == title
    assert line.lead.replace("\N{NO-BREAK SPACE}", " ").startswith(lead)


@pytest.mark.parametrize(("before", "since"), [(10 * MINUTE, ""), (61 * MINUTE, ", since at least 1 h ago")])
def test_since_when_an_agent_decides_is_said_as_known(store: Store, before: int, since: str) -> None:
    """It is known by the hour: a session of ten minutes ago has decided nothing since an hour ago."""
    store.scene("together", NOON - before, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        text = read(client).text

    assert f"of the critical paths{since}." in text.replace("\N{NO-BREAK SPACE}", " ")


def test_without_a_sequential_run_the_baseline_admits_it(store: Store) -> None:
    """The page explains that the weakest baseline flatters."""
    store.scene("together", NOON - HOUR, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        text = read(client).text

    assert "20 s saved in the last 24 h" in text
    assert "Baseline: work By the tasks' own lengths." in text
    assert "Where they slowed each other down, it flatters." in text


def test_the_headline_covers_everything_and_better_baselines_stand_beneath(store: Store) -> None:
    """Both executions by their tasks' own lengths; the measured one by both baselines on its own line."""
    full(store)
    store.scene(
        "other", NOON - HOUR, (Work(0, 8, "research"), Work(0, 8, "research"), Work(1, 8, "research"))
    )
    with shown(store) as client:
        text = read(client).text

    # 50 + 23 s of work in 30 + 8 s.
    assert "Together up to 1.92× as fast as one after another" in text
    assert "35 s saved in the last 24 h: 5 tasks, 2 parallel executions." in text
    assert (
        "Baseline: measured 1 of them measured against your own sequential runs: 1.67×;"
        " by their tasks' own lengths 1.67×."
    ) in text
    assert text.index("Baseline: work") < text.index("Baseline: measured")


def test_a_part_says_how_sure_it_is(store: Store) -> None:
    """Five sequential runs of 45 to 55 s give the speed-up of 30 s an interval."""
    for number, more in enumerate((-5, -2, 0, 2, 5)):
        works = (
            Work(0, 30 + more, "review architecture", "architect"),
            Work(40, 60, "write tests", "tester"),
        )
        store.scene(f"run-{number}", NOON - (4 + number) * HOUR, works)
    store.scene("together", NOON - 2 * HOUR, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        text = read(client).text

    assert "measured against your own sequential runs: 1.67× [1.28×, 2.1×];" in text


def test_sums_of_an_old_definition_are_marked(store: Store) -> None:
    """The page says until when, and does not without such sums."""
    full(store)
    with shown(store) as client:
        assert "Old definition" not in read(client).text
    backend = store.make_backend(
        trends=lambda _: {"days": [], "weeks": [], "old_definition_until": "2026-01-02T03:04:05Z"}
    )
    with served(backend) as client:
        text = read(client).text
    assert "Old definition: sessions that were deleted before 2026-01-02 are counted as they were" in text


def test_work_that_failed_is_no_gain(store: Store) -> None:
    """Nothing delivered: the title says so, and all the time is lost."""
    failed = Drawing("failed").task("a", 0, 10, "review", outcome=Outcome.FAILURE)
    failed.task("b", 0, 10, "testing", outcome=Outcome.FAILURE)
    found = build_verdict("24h", sums_of(frame_drawing(failed, 20)), measured)
    snapshot = replace(store.refresh(), verdicts={"24h": found})

    line = verdict_in_words.build_headline(snapshot, "24h")

    assert (line.title, line.tone) == ("Nothing delivered", "loss")
    assert line.lead.replace("\N{NO-BREAK SPACE}", " ") == (
        "10 s lost in the last 24 h: 0 of 2 tasks delivered, 1 parallel execution."
    )


def test_every_provenance_is_explained() -> None:
    """Every baseline has an explanation."""
    meanings = {verdict_in_words.explain_baseline(provenance) for provenance in Provenance}

    assert len(meanings) == len(Provenance)


def test_the_window_is_the_readers_choice(store: Store) -> None:
    """Each window has its own verdict; a window that is none is refused, and those that are are named."""
    store.scene("together", NOON - 3 * DAY, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        week, day = read(client), read(client, "/?window=24h")
        odd = [client.get("/", params={"window": name}) for name in ("9d", "<script>")]

    assert "saved in the last 7 days: 2 tasks, 1 parallel execution." in week.text
    assert "Nothing ran in parallel in the last 24 h" in day.text
    assert {answer.status_code for answer in odd} == {400}
    assert all("window must be one of 1h, 24h, 7d, 30d, 90d, all" in answer.text for answer in odd)


# What is not there.


def test_before_the_first_snapshot_the_page_says_so(store: Store) -> None:
    """A service that has only just started does not show zeros."""
    with served(store.make_backend()) as client:
        page = read(client)

    assert "No figures yet" in page.text
    assert page.attributes("table") == []


def test_an_empty_store_says_what_to_do(store: Store) -> None:
    """Someone who sees the page for the first time knows the next step."""
    with shown(store) as client:
        page = read(client)

    assert "Nothing seen yet" in page.text
    assert "stretto hooks install" in page.text
    assert page.attributes("table") == []


def test_sessions_without_parallel_work_are_no_failure(store: Store) -> None:
    """The page says that nothing ran in parallel, and what would count."""
    store.scene("alone", NOON - HOUR, (ARCHITECTURE,))
    with shown(store) as client:
        text = read(client).text

    assert "Nothing ran in parallel in the last 24 h" in text
    assert "two or more tasks of one parent that run at the same time" in text
    assert "— nothing ran in parallel" in text


def test_running_tasks_are_waited_for(store: Store) -> None:
    """While the first tasks run the page says when the verdict comes."""
    store.scene("open", NOON - MINUTE, (Work(0, None), Work(0, None)), over=False)
    with shown(store) as client:
        page = read(client)

    assert "2 tasks are running now. The verdict comes when" in page.text
    assert "1 session open, 2 tasks running" in page.text


def test_what_is_withheld_shows_its_reason_and_never_a_zero(store: Store) -> None:
    """An absent figure is a dash, with the reason in the title and as text."""
    store.scene("alone", NOON - HOUR, (Work(0, None, "look around"),))
    with shown(store) as client:
        page = read(client, "/types")
    reasons = {
        attributes["title"] for attributes in page.attributes("span") if attributes.get("class") == "absent"
    }

    assert {"none of its tasks ran in parallel", "no end was seen", "no outcome is known"} <= reasons
    assert all(f"— {reason}" in page.text for reason in reasons)


def test_a_recording_is_called_one(store: Store) -> None:
    """Nobody takes the shipped recording for work of their own."""
    store.recording()
    with shown(store) as client:
        page = read(client)
        session = read(client, f"/sessions/{store.refresh().latest[0].id}")

    assert "You are looking at a recording. It is removed when your first session arrives." in page.text
    assert "stretto hooks install" in page.text
    assert "By the tasks' own lengths" in page.text
    assert "your own sequential runs" not in page.text
    assert "You are looking at a recording, not at a session of yours." in session.text


def test_a_recording_beside_own_sessions_is_told_apart(store: Store) -> None:
    """A mixture with a recording is marked, without a promise to remove it."""
    store.recording()
    store.scene("own", NOON - HOUR, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        text = read(client).text

    assert "Some of these sessions are a recording" in text
    assert "It is removed" not in text


def test_a_whole_workflow_is_beside_its_hours(store: Store) -> None:
    """The session's page and the pattern's page show it; without configured hours neither does."""
    store.scene("whole", NOON - HOUR, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        assert "Whole workflow" not in read(client, "/sessions/whole").text
        assert "Credited hours over" not in read(client, "/patterns/fan-out").text
    store.config = replace(store.config, workflows={"fan-out": 0.5})
    with shown(store) as client:
        text = read(client, "/sessions/whole").text
        pattern = read(client, "/patterns/fan-out").text
    assert "Whole workflow" in text
    assert "30 min credited for 2 of 2 tasks" in text
    assert "Credited hours over elapsed time of whole sessions" in pattern


def test_old_figures_are_called_old(store: Store) -> None:
    """A service that no longer works its figures out does not look alive."""
    full(store)
    with shown(store) as client:
        fresh = read(client).text
        store.now += 5 * MINUTE
        stale = read(client).text

    assert "These figures are old" not in fresh
    assert "These figures are old: they were computed 5 min ago" in stale


# The tables.


def test_task_types_stand_against_their_targets(store: Store) -> None:
    """Each type shows its improvement, its target and how far it is."""
    full(store)
    with shown(store) as client:
        text = read(client, "/types").text

    # Both ran from 0 to 20 s, one alone to 30 s: attributed are 20 s of 30 s and 10 s of 20 s.
    assert re.search(r"architecture measured 1 1.5× 33 % of 60 % 27 points short [^ ]* ?\[[^]]*\] 10 s", text)
    assert re.search(r"testing measured 1 2× 50 % of 60 % 10 points short [^ ]* ?\[[^]]*\] 10 s", text)


def test_efficiency_shows_its_factors(store: Store) -> None:
    """Why it was not faster is the product of two figures."""
    full(store)
    with shown(store) as client:
        text = read(client, "/patterns").text

    # Work 50 s in two lanes of 30 s; the longest lane is busy throughout.
    assert "fan-out 1 83 % 83 % 100 %" in text


def test_the_latest_sessions_lead_to_their_pages(store: Store) -> None:
    """Every row's link works, and the page says that there are more sessions."""
    for number in range(LATEST + 2):
        store.scene(f"session {number}/?#%", NOON - number * MINUTE, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        page = read(client)
        links = [address for address in page.addresses if address.startswith("/sessions/")]

        assert len(links) == 10
        assert f"The latest 10 of {LATEST + 2}" in page.text
        assert "/sessions" in page.addresses
        assert "session 3/?#%" in read(client, links[3]).text


def test_stretto_tells_of_itself(store: Store) -> None:
    """Rejected input is counted by reason, and problems for a person are shown."""
    full(store)
    store.append(b"[]")
    store.refresh()
    (store.folder / "notifications.jsonl").write_bytes(b"torn\n")
    own = [
        Figure("stretto_ingest_lag_seconds", (), 2.5, 1),
        Figure("stretto_store_bytes", (), 1_500_000, 1),
        Figure("stretto_sampler_cpu_seconds", (), None, 0, "sampling is switched off"),
    ]
    backend = store.make_backend(
        problems=lambda: ["Prometheus is not installed: apt-get install prometheus"], self_figures=lambda: own
    )
    with served(backend) as client:
        text = read(client).text

    assert "Needs your attention Prometheus is not installed: apt-get install prometheus" in text
    assert "Behind the journal 2.5 s Store 1.5 MB" in text
    assert "Sampling took — sampling is switched off" in text
    assert "Set aside 2 and 1 notification line" in text
    assert "not JSON 1" in text
    assert "payload: not an object 1" in text


def test_every_figure_is_defined_in_the_words_of_the_table() -> None:
    """Page and metrics mean the same by the same name."""
    exported = {name: text for name, text in DEFINITIONS.items() if f"stretto_{name}" in METRICS}

    assert len(exported) >= 17
    assert all(text == METRICS[f"stretto_{name}"].help for name, text in exported.items())


# Notifications.


def test_what_fires_is_seen_before_anything_else(store: Store) -> None:
    """Alerts are sorted by severity; the newest notification of each counts; resolved alerts are below."""
    told = [
        message(
            alert(
                "StrettoSlowTool",
                labels={"alertname": "StrettoSlowTool", "severity": "warning"},
                fingerprint="a",
            )
        ),
        message(alert("StrettoDown", fingerprint="b"), alert("Gone", fingerprint="c")),
        message(alert("Gone", "resolved", fingerprint="c", endsAt="2026-11-20T11:59:00Z")),
    ]
    full(store)
    with shown(store) as client:
        for payload in told:
            assert client.post("/api/notifications", content=payload).status_code == 204
        page = read(client)

    assert page.text.index("2 alerts fire now") < page.text.index("Together up to 1.67×")
    headings = re.findall(r"(firing|resolved) · (\w+)", page.text)
    assert headings == [("firing", "critical"), ("firing", "warning"), ("resolved", "critical")]
    assert "Resolved 1 min ago." in page.text
    assert "/runbook/StrettoDown" in page.addresses
    assert [address for address in page.addresses if "/runbook/" in address] == ["/runbook/StrettoDown"]


def test_no_notification_is_said_in_so_many_words(store: Store) -> None:
    """Quiet is shown as Alertmanager's report, not as proof that all is well; without one nobody reports."""
    with shown(store) as client:
        assert "No Alertmanager is connected: nobody reports alerts here." in read(client).text
        client.post("/api/notifications", content=message(alert("StrettoWatchdog")))
        assert "Alertmanager reports no firing alert." in read(client).text


def test_a_notification_with_odd_times_is_still_shown(store: Store) -> None:
    """A time that cannot be read is left out; the alert is not."""
    with shown(store) as client:
        client.post("/api/notifications", content=message(alert(startsAt="yesterday", annotations={})))
        text = read(client).text

    assert "firing · critical StrettoDown" in text
    assert "Since" not in text


# One session.


def test_a_session_shows_its_fan_outs(store: Store) -> None:
    """Width, work, elapsed, speed-up, efficiency and its factors stand above the lanes."""
    full(store)
    with shown(store) as client:
        page = read(client, "/sessions/together")

    assert "Parallel execution: 1.67× 20 s saved" in page.text
    assert "Elapsed 30 s One after another 50 s Work 50 s Width 2" in page.text
    assert "83 % = 83 % × 100 %" in page.text
    assert "Baseline: measured Sequential runs of the same" in page.text
    assert "Not compared with measured runs" not in page.text
    assert "review architecture architecture architect success 0 s 30 s 0 30 s 0 s" in page.text
    assert "write tests testing tester success 0 s 20 s 0 not on it 10 s" in page.text


def test_a_session_says_why_no_runs_are_its_baseline(store: Store) -> None:
    """Compared with its own work, the execution shows the reason beside its baseline."""
    store.scene("together", NOON - 2 * HOUR, (ARCHITECTURE, TESTS))
    with shown(store) as client:
        text = read(client, "/sessions/together").text

    assert "Not compared with measured runs: 0 sequential run(s) of 0 session(s) in 90 days" in text


def test_a_session_says_what_is_absent_and_why(store: Store) -> None:
    """An end that was never seen is a dash with the reason, and is listed."""
    full(store)
    with shown(store) as client:
        alone, running = read(client, "/sessions/alone").text, read(client, "/sessions/open").text
    found = store.make_backend().session_summary("alone")
    assert found is not None

    assert "stay research explorer unknown 9 s — its end was never seen" in alone
    assert found.absent.keys() >= {"fanouts", "tasks.seconds"}
    assert all(f"{ABSENT[name]} {reason}" in alone for name, reason in found.absent.items())
    assert "— still running" in running
    assert "End of the session still running" in running


def test_only_a_running_session_renews_itself(store: Store) -> None:
    """A page whose figures cannot change does not reload."""
    full(store)
    with shown(store) as client:
        assert not renews(read(client, "/sessions/together"))
        assert renews(read(client, "/sessions/open"))


def test_tool_calls_are_counted_by_tool(store: Store) -> None:
    """Calls, failures and summed time of each tool; calls of unknown length are mentioned as left out."""
    store.scene("mixed", NOON - HOUR, (Work(0, 4), Work(1, 4, ok=False), Work(2, None)))
    with shown(store) as client:
        text = read(client, "/sessions/mixed").text

    assert "Agent 3 1 7 s without 1 of unknown length" in text


def test_a_session_shows_its_test_runs(store: Store) -> None:
    """A call that ran tests has a row with the framework and the outcome of its tests."""
    store.scene("tested", NOON - 600 * SECOND, [Work(0, 60)])
    ran: dict[str, Value] = {"tests_passed": 3, "tests_failed": 1, "test_framework": "pytest"}
    begin = NOON - 500 * SECOND
    store.events(
        [
            Event(kind=Kind.TOOL_START, session="tested", time=begin, id="t", name="Bash"),
            Event(
                kind=Kind.TOOL_END,
                session="tested",
                time=begin + SECOND,
                id="t",
                name="Bash",
                outcome=Outcome.SUCCESS,
                attributes=ran,
            ),
        ]
    )
    with shown(store) as client:
        text = read(client, "/sessions/tested").text

    assert re.search(r"pytest \w+ 3 1 1 s", text)


def test_a_session_without_length_can_be_drawn(store: Store) -> None:
    """A session that only began has no time to divide, and has a page."""
    store.events([Event(kind=Kind.SESSION_START, session="new", time=NOON)])
    with shown(store) as client:
        text = read(client, "/sessions/new").text

    assert "Elapsed 0 s to the newest event" in text
    assert "no task was delegated" in text


# Safety and form.

PATHS = (
    "/",
    "/types",
    "/agents",
    "/patterns",
    "/types/testing",
    "/agents/architect",
    "/patterns/fan-out",
    "/tools",
    "/tools/Agent",
    "/models",
    "/executions",
    "/executions/together/1",
    "/activity",
    "/alerts",
    "/alerts/StrettoDown",
    "/sessions",
    "/sessions/together",
    "/sessions/alone",
    "/sessions/open",
    "/runbook/StrettoDown",
)
"""A page of each kind."""

SCRIPT = "/static/stretto.js"


def script_of(html: str) -> str:
    """Return the address of the script, with the hash of its content."""
    (address,) = re.findall(r'src="(/static/stretto\.js\?[0-9a-f]{12})"', html)
    return str(address)


HOSTILE = [
    "<script>alert(1)</script>",
    "\"'><img src=x onerror=alert(1)>",
    "{{ 7 * 7 }}{% raw %}",
    "javascript:alert(1)",
    "http://evil.example/",
    "a" * 119,
    "\u202egnp.exe",
    "&lt;b&gt;",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_from_outside_becomes_markup(store: Store, text: str) -> None:
    """The name of an agent, project, session or alert is shown as text, without marks that reverse it."""
    pair = (Work(0, 30, text, text), Work(0, 20, text, text), Work(40, None, text, text))
    store.scene(text, NOON - HOUR, pair, cwd=f"/srv/{text.replace('/', '')}")
    store.scene("plain", NOON - HOUR, (ARCHITECTURE, TESTS, Work(40, None)))
    odd = alert(
        text, labels={"alertname": text, "severity": text}, annotations={"summary": text, "description": text}
    )
    with shown(store) as client:
        for path in ("/", f"/sessions/{quote(text, safe='')}"):
            plain = read(client, path if path == "/" else "/sessions/plain")
            client.post("/api/notifications", content=message({**odd, "runbook_url": text}))
            answer = client.get(path)
            page = Page(answer.text.replace(script_of(answer.text), SCRIPT))
            kinds = {tag for tag, _ in page.elements}

            assert answer.status_code == 200
            assert redact_text(text).strip() in "".join(page.words)
            assert kinds - {tag for tag, _ in plain.elements} <= {"a", "wbr", "ul", "li", "h3"}
            assert "img" not in kinds
            sources = [str(script["src"]).partition("?")[0] for script in page.attributes("script")]
            assert sources == [SCRIPT, "/static/tools.js"]


def test_no_page_asks_for_anything_from_elsewhere(store: Store) -> None:
    """Every address leads to this service, and no page carries a script or a style of its own."""
    full(store)
    with shown(store) as client:
        client.post(
            "/api/notifications", content=message(alert(), alert("Gone", "resolved", fingerprint="c"))
        )
        style = client.get(re.findall(r'href="(/static/stretto\.css[^"]*)"', client.get("/").text)[0]).text
        for path in PATHS:
            page = read(client, path)
            away = [address for address in page.addresses if not re.match(r"/(?!/)|\?|#", address)]

            # Links to Alertmanager are followed by a person, into a window that knows nothing of this one.
            assert all(address.startswith("http://127.0.0.1:9093/#/") for address in away)
            assert [one for one in page.attributes("a") if one["href"] in away] == [
                one
                for one in page.attributes("a")
                if one.get("rel") == "noopener noreferrer" and one.get("target") == "_blank"
            ]
            assert [set(script) for script in page.attributes("script")] == [{"src", "defer"}] * 2
            # A form asks for another page of this service; none sends anything.
            here = path.partition("?")[0]
            assert all(f["method"] == "get" for f in page.attributes("form"))
            assert {f["action"] for f in page.attributes("form")} <= {"/sessions", here}
            assert not {tag for tag, _ in page.elements} & {
                "style",
                "iframe",
                "object",
                "base",
            }
            assert not [name for _, attributes in page.elements for name in attributes if name == "style"]
            assert not [
                name for _, attributes in page.elements for name in attributes if name.startswith("on")
            ]
        assert "url(" not in style
        assert "@import" not in style


def test_every_link_leads_somewhere(store: Store) -> None:
    """No address on a page is dead, and every anchor has its place."""
    full(store)
    addresses = set()
    with shown(store) as client:
        client.post("/api/notifications", content=message(alert()))
        for path in PATHS:
            page = read(client, path)
            ids = {attributes["id"] for _, attributes in page.elements if attributes.get("id")}
            anchors = {address for address in page.addresses if address.startswith("#")}
            assert {anchor[1:] for anchor in anchors} <= ids
            addresses |= {
                httpx.URL(path).join(address).copy_with(fragment=None)
                for address in page.addresses
                if address.startswith(("/", "?"))
            }
        for address in sorted(addresses, key=str):
            assert client.get(address).status_code == 200, address


@pytest.mark.parametrize("path", PATHS)
def test_a_page_can_be_read_without_seeing_it(full_client: httpx.Client, path: str) -> None:
    """One first heading, no level left out, every section named, every header cell with its scope."""
    page = read(full_client, path)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h[1-6]", tag)]
    ids = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]

    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(later - earlier <= 1 for earlier, later in pairwise(levels))
    assert len(ids) == len(set(ids))
    assert all(section["aria-labelledby"] in ids for section in page.attributes("section"))
    assert all(cell.get("scope") in {"col", "row"} for cell in page.attributes("th"))
    assert page.attributes("html") == [{"lang": "en"}]
    assert len(page.attributes("main")) == 1


def renews(page: Page) -> bool:
    """Return whether a page reloads itself."""
    return {"http-equiv": "refresh", "content": str(REFRESH_SECONDS)} in page.attributes("meta")


def test_the_page_renews_itself_until_it_is_told_to_stay(store: Store) -> None:
    """A reader can stop the reloads, keeping the window, and start them again."""
    full(store)
    with shown(store) as client:
        first = read(client, "/?window=7d")
        (pause,) = (address for address in first.addresses if address.endswith("refresh=off"))
        paused = read(client, "/" + pause)

    assert renews(first)
    assert pause == "?window=7d&refresh=off"
    assert not renews(paused)
    assert "?window=7d" in paused.addresses
    assert "?window=1h&refresh=off" in paused.addresses


def luminance(colour: str) -> float:
    """Return the relative luminance of ``#rrggbb`` (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colours (WCAG 2.2)."""
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", [0, 1])
def test_colours_keep_their_contrast(theme: int) -> None:
    """Text has a contrast of 4.5 to 1, bars 3 to 1, in light and dark (WCAG 2.2 AA)."""
    style = resources.files("stretto.web").joinpath("static", "stretto.css").read_text(encoding="utf-8")
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", re.findall(r":root \{([^}]*)\}", style)[theme]))

    for text in ("ink", "quiet", "accent", "bad", "warn"):
        assert contrast(colours[text], colours["sheet"]) >= 4.5
        assert contrast(colours[text], colours["ground"]) >= 4.5
    for text in ("accent", "bad", "warn"):
        assert contrast(colours[text], colours[f"{text}-ground"]) >= 4.5
    assert contrast(colours["task-ink"], colours["task"]) >= 4.5
    for bar in ("neutral", "accent", "bad", "warn", "path", "call"):
        assert contrast(colours[bar], colours["sheet"]) >= 3


# Runbook pages.


def test_a_runbook_page_is_readable(store: Store) -> None:
    """Headings, lists and commands look like what they are."""
    with shown(store) as client:
        page = read(client, "/runbook/StrettoDown")

    assert "The service does not answer." in page.text
    assert len(page.attributes("li")) == 2
    assert len(page.attributes("pre")) == 1


def test_the_runbook_has_an_index(store: Store) -> None:
    """Every alert with its page and the first thing to know; a page leads back to it."""
    with shown(store) as client:
        index, page = read(client, "/runbook"), read(client, "/runbook/StrettoDown")
    with served(store.make_backend(alerts=list)) as client:
        none = read(client, "/runbook")

    assert "/runbook/StrettoDown" in index.addresses
    assert "StrettoDown: The service does not answer." in index.text
    assert "/runbook" in page.addresses
    assert "No alert has a page here." in none.text


def test_the_shipped_runbook_is_listed() -> None:
    """The first sentence of each shipped runbook page is the meaning of the alert."""
    names = sorted(_find_runbooks())
    assert "StrettoDown" in names
    for name in names:
        sentence = markdown.find_first_sentence(_read_runbook(name) or "")
        assert sentence.endswith("."), name
        assert 20 < len(sentence) < 300, name
        assert "`" not in sentence, name


@pytest.mark.parametrize("name", ["../secret", "a b", "1st", "a" * 101, "x.md", "é"])
def test_an_alert_that_is_none_never_reaches_the_pages(store: Store, name: str) -> None:
    """Only what can be an alert's name is looked up at all."""
    store.refresh()
    asked: list[str] = []

    def runbook(alert: str) -> str | None:
        asked.append(alert)
        return None

    with served(store.make_backend(runbook=runbook)) as client:
        assert client.get(f"/runbook/{name}").status_code == 404

    assert asked == []


def test_markdown_says_what_it_means() -> None:
    """Each form that runbook pages use comes out as its element."""
    text = "# A `b` **c**\nd\ne\n\n- f\n  g\n- h\n1. i\n\n```sh\n<j>\n\n# k\n```\n[l](m) [n](n)\n"

    assert str(markdown.render_html(text)).split("\n") == [
        "<h1>A <code>b</code> <strong>c</strong></h1>", "<p>d", "e</p>",
        "<ul>", "<li>f", "g</li>", "<li>h</li>", "</ul>", "<ol>", "<li>i</li>", "</ol>",
        "<pre><code>&lt;j&gt;", "", "# k", "</code></pre>", "<p>l (m) n</p>", "",
    ]  # fmt: skip


@given(st.text(alphabet="#`*-[]()<>&\"'1. \n\tab{}%", max_size=80))
def test_no_markdown_brings_markup_of_its_own(text: str) -> None:
    """Any text in a runbook page gives known elements only, closed and without attributes."""
    page = Page(str(markdown.render_html(text)))

    assert {tag for tag, _ in page.elements} <= {
        "p",
        "pre",
        "code",
        "ul",
        "ol",
        "li",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "strong",
        "em",
    }
    assert all(attributes == {} for _, attributes in page.elements)


# Numbers in words.


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"), (0.0001, "under 1 ms"), (0.0034, "3.4 ms"), (0.0125, "12.5 ms"), (0.34, "340 ms"),
        (0.9994, "999 ms"), (0.9996, "1 s"), (3.14, "3.1 s"), (12.44, "12.4 s"), (59.94, "59.9 s"),
        (59.96, "1 min"), (60, "1 min"), (245, "4 min 5 s"), (999.4, "16 min 39 s"), (1004, "16 min 40 s"),
        (3594, "59 min 50 s"),
        (3596, "1 h"), (4321, "1 h 12 min"), (72_600, "20 h 10 min"), (360_000, "100 h"), (481_000, "134 h"),
        (4_444_444, "1,230 h"), (-3.14, f"{quantities.MINUS}3.1 s"), (-245, f"{quantities.MINUS}4 min 5 s"),
    ],
)  # fmt: skip
def test_lengths_are_told_in_units_a_person_thinks_in(seconds: float, text: str) -> None:
    """Milliseconds, seconds, minutes, hours: never more than three digits that mean something."""
    assert quantities.format_duration(seconds).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (2.2, "2.2×"),
        (2, "2×"),
        (1.04, "1.04×"),
        (0.867, "0.87×"),
        (12.44, "12.4×"),
        (99.97, "100×"),
        (5144, "5,140×"),
    ],
)
def test_speed_ups_are_told_in_times(value: float, text: str) -> None:
    """Close to one a second decimal tells faster from slower."""
    assert quantities.format_speedup(value) == text


def test_delivered_tasks_are_counted_whole() -> None:
    """Two of 1,590 that are missing stay visible."""
    delivered = quantities.format_delivered_tasks(1_588, 1_590).replace("\N{NO-BREAK SPACE}", " ")
    assert delivered == "1,588 of 1,590 tasks delivered"


@pytest.mark.parametrize(
    ("ratio", "text"),
    [
        (0, "0 %"), (0.004, "0.4 %"), (0.0999, "10 %"), (0.553, "55 %"), (0.9, "90 %"), (0.994, "99.4 %"),
        (0.9999, "99.9 %"), (1, "100 %"), (-0.5, f"{quantities.MINUS}50 %"),
        (-12.344, f"{quantities.MINUS}1,230 %"),
    ],
)  # fmt: skip
def test_shares_are_told_in_per_cent(ratio: float, text: str) -> None:
    """A share below 1 is never shown as 100 %."""
    assert quantities.format_percent(ratio).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0, "0"),
        (7, "7"),
        (999, "999"),
        (1000, "1 k"),
        (1234, "1.23 k"),
        (999_600, "1 M"),
        (86_400_000, "86.4 M"),
    ],
)
def test_counts_are_told_short(number: int, text: str) -> None:
    """Up to 999 exactly, beyond in three digits."""
    assert quantities.format_count(number).replace("\N{NO-BREAK SPACE}", " ") == text


@pytest.mark.parametrize(
    ("name", "unit", "value", "text"),
    [
        ("time_saved_seconds", "s", 245, "4 min 5 s"),
        ("store_bytes", "By", 1_500_000, "1.5 MB"),
        ("store_bytes", "By", 999, "999 B"),
        ("parallel_cost_usd", "USD", 1234.5, "$1,234.50"),
        ("parallel_cost_usd", "USD", 0.0042, "$0.0042"),
        ("parallel_cost_usd", "USD", -3, f"{quantities.MINUS}$3.00"),
        ("last_event_timestamp_seconds", "unixtime", NOON / SECOND, "2026-11-20 12:00:00 UTC"),
        ("speedup_ratio", "1", 2.2, "2.2×"),
        ("success_ratio", "1", 0.5, "50 %"),
        ("window_tasks", "1", 12, "12"),
        ("agent_score", "1", 72.44, "72.4"),
    ],
)
def test_a_figure_is_told_in_its_unit(name: str, unit: str, value: float, text: str) -> None:
    """The table's unit and name decide, so that a new figure reads right without a word about it here."""
    assert quantities.format_figure(name, unit, value).replace("\N{NO-BREAK SPACE}", " ") == text


@given(st.floats(min_value=-1e12, max_value=1e12))
def test_no_number_has_more_than_three_significant_digits(value: float) -> None:
    """Nothing pretends to be more exact than a person can use."""
    whole = int(value)
    for text in (
        quantities.format_speedup(value),
        quantities.format_percent(value),
        quantities.format_count(whole),
    ):
        digits = re.sub(r"[^0-9.]", "", text).replace(".", "").lstrip("0")
        assert len(digits.rstrip("0")) <= 3


@pytest.mark.parametrize(
    ("past", "text"),
    [
        (-5 * SECOND, "just now"), (0, "just now"), (SECOND, "1 s ago"), (59 * SECOND, "59 s ago"),
        (MINUTE, "1 min ago"), (HOUR - 1, "59 min ago"), (HOUR, "1 h ago"), (2 * DAY - 1, "47 h ago"),
        (2 * DAY, "2 days ago"), (400 * DAY, "400 days ago"),
    ],
)  # fmt: skip
def test_the_past_is_told_in_one_unit(past: int, text: str) -> None:
    """A clock that was set back makes nothing happen in the future."""
    assert quantities.format_age(NOON, NOON - past).replace("\N{NO-BREAK SPACE}", " ") == text


def test_a_stuck_task_is_named_with_its_session(store: Store) -> None:
    """The page names the task and links to its session; without a stuck task there is no such section."""
    full(store)
    taken = store.refresh()
    stuck = (StuckTask("<open>", "task-1", store.now - 3_600 * SECOND),)
    with shown(store) as client:
        assert "Seem stuck" not in read(client, "/").text
    with served(store.make_backend(snapshot=lambda: replace(taken, stuck=stuck))) as client:
        page = client.get("/").text
    assert "Seem stuck" in page
    assert 'href="/sessions/%3Copen%3E"' in page
    assert page.count("no event since") == 1
    assert "<open>" not in page


@pytest.mark.parametrize(
    "path", ["/nowhere", "/sessions/nobody", "/types/nothing", "/?window=9d", "/executions/together/9"]
)
def test_an_error_has_navigation_for_people(store: Store, path: str) -> None:
    """A browser gets a page that leads on, a program lines of text; the status is the same."""
    full(store)
    with shown(store) as client:
        text = client.get(path)
        answer = client.get(path, headers={"Accept": "text/html,application/xhtml+xml"})
    page = Page(answer.text)

    assert answer.status_code == text.status_code >= 400
    assert text.headers["Content-Type"].startswith("text/plain")
    assert {"/", "/sessions", "/types", "/findings"} <= set(page.addresses)
    assert len(page.attributes("h1")) == 1
    assert text.text.splitlines()[0].lower() in page.text.lower()


def test_errors_of_the_api_stay_json(store: Store) -> None:
    """Whoever asks; and an address of the API that is none has no page."""
    with shown(store) as client:
        answer = client.get("/api/nowhere", headers={"Accept": "text/html"})

    assert answer.status_code == 404
    assert answer.json()["error"] == "there is nothing at this address"
