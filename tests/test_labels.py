"""Labels of sessions, and patterns that people and programs name: from hooks and by ``stretto label``."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import permutations
from pathlib import Path

import pytest

from stretto.figures.sequential_baseline_choice import Provenance
from stretto.model.event import Channel, Event, Kind
from stretto.store import session_queries, sum_queries
from stretto.store.fanout_and_baseline_queries import make_baseline_finder
from tests.fakes import DAY_FILE, ROOT, append, rebuilt, store
from tests.scenes import Drawing, at, conclude_scene, earlier_runs, one_by_one, straggler
from tests.test_cli import _own_world, answer, run  # noqa: F401  # the fixture applies by its name
from tests.test_fanout_queries import SIGNATURE

CLIENT = ROOT / "src/stretto/hook/client/client.py"
LATER = at(1_000_000)


def decided(session: str, second: float, key: str, value: str) -> Event:
    """Return the event of a person's label."""
    return Event(
        kind=Kind.LABEL, session=session, time=at(second), channel=Channel.API, source="stretto",
        name=key, attributes={"value": value},
    )  # fmt: skip


def test_the_latest_label_counts_and_a_person_before_a_program() -> None:
    """Declared A, then B; decided C, then D, then removed: each later word counts, in any order."""
    opened = Drawing("s").opens(0, labels=["arm=A", "team=core"]).prompt(5, labels=["arm=B"]).events
    assert conclude_scene(opened).labels == (("arm", "B"), ("team", "core"))
    first, second = decided("s", 100, "arm", "C"), decided("s", 200, "arm", "D")
    for order in permutations([*opened, first, second]):
        assert dict(conclude_scene(order).labels)["arm"] == "D"
    removed = [*opened, first, decided("s", 300, "arm", "")]
    assert conclude_scene(removed).labels == (("team", "core"),)


def test_a_label_is_no_sign_of_life() -> None:
    """A label of tomorrow does not reopen or lengthen the session."""
    scene = straggler().events
    assert conclude_scene([*scene, decided("straggler", 90_000, "arm", "B")]).last == at(60)


def test_a_label_names_the_pattern() -> None:
    """A person's name precedes an orchestrator's, and that the first slash command."""
    drawing = Drawing("s").opens(0, pattern="by-program").prompt(1, command="by-command")
    assert conclude_scene(drawing.events).pattern == "by-program"
    from_hook = Drawing("s").opens(0, labels=["pattern=by-environment"]).prompt(1, command="by-command")
    assert conclude_scene(from_hook.events).pattern == "by-environment"
    drawing.events.append(decided("s", 2, "pattern", "by-person"))
    assert conclude_scene(drawing.events).pattern == "by-person"


def test_a_named_pattern_moves_the_sums_and_gives_a_baseline(tmp_path: Path) -> None:
    """The session without a pattern is labelled: its sums move, and its own runs match; a rebuild agrees."""
    with store(tmp_path) as opened:
        unnamed = Drawing("straggler").opens(0, project="shop")
        unnamed.events += [e for e in straggler().events if e.kind is not Kind.SESSION_START]
        for event in unnamed.events:
            if event.kind is Kind.TURN_START:
                unnamed.events.remove(event)
                break
        opened.take(unnamed.prompt(0).events, one_by_one().events, earlier_runs())
        before = sum_queries.read_sums(opened.connection, at(200), 3_600)["fanouts"]
        assert before == {("none",): 1}
        opened.take([decided("straggler", 300, "pattern", "release")])
        assert sum_queries.read_sums(opened.connection, at(200), 3_600)["fanouts"] == {("release",): 1}
        assert opened.connection.execute("SELECT signature FROM fanouts").fetchall() == [(SIGNATURE,)]
        find = make_baseline_finder(opened.connection, {})
        assert find("release", SIGNATURE).provenance is Provenance.MEASURED
        opened.ingest.close_idle_sessions(LATER)
        assert opened.rows() == rebuilt(opened.folder, tmp_path / "anew.db", now=LATER)


def test_secrets_in_labels_are_struck(tmp_path: Path) -> None:
    """Hooks have no time to look: what looks like a secret never reaches the store."""
    secret = "sk-ant-" + "abcdef0123456789"
    with store(tmp_path) as opened:
        opened.take(Drawing("s").opens(0, labels=[f"key={secret}"]).events)
        assert secret.encode() not in b"".join(row[3] for row in opened.rows()["facts"])
        session = session_queries.read_session(opened.connection, "s", lambda *_: "other")
        assert session is not None
        assert session.labels == (("key", "[redacted]"),)


@pytest.mark.parametrize(
    ("environment", "labels"),
    [
        ({"STRETTO_PATTERN": "release"}, ["pattern=release"]),
        ({"STRETTO_LABELS": " arm = B ,torn,=x,y=,team=core"}, ["arm=B", "team=core"]),
        ({"STRETTO_PATTERN": "p", "STRETTO_LABELS": "arm=B"}, ["pattern=p", "arm=B"]),
        ({"STRETTO_LABELS": ",".join(f"k{n}=v" for n in range(40))}, [f"k{n}=v" for n in range(16)]),
        ({"STRETTO_PATTERN": "", "STRETTO_LABELS": ""}, None),
    ],
)
def test_hooks_report_the_labels_of_the_environment(
    tmp_path: Path, environment: dict[str, str], labels: list[str] | None
) -> None:
    """At the start of a session and of a turn; what is no label is left out, and the hook never fails."""
    for hook in ("SessionStart", "UserPromptSubmit", "Stop"):
        payload = json.dumps({"hook_event_name": hook, "session_id": "s"}).encode()
        done = subprocess.run(
            [sys.executable, "-I", "-S", str(CLIENT), str(tmp_path)],
            input=payload, env=environment, capture_output=True, check=False,
        )  # fmt: skip
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
    lines = [
        json.loads(line)
        for file in (tmp_path / "journal").iterdir()
        for line in file.read_text().splitlines()
        if line
    ]
    found = {line["kind"]: line.get("attributes", {}).get("labels") for line in lines}
    assert found == {"session.start": labels, "turn.start": labels, "turn.end": None}


def test_the_command_labels_a_session(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A label shows in the session's document, survives a rebuild and can be removed."""
    append(tmp_path / "state/journal", straggler().events, DAY_FILE)
    answer(capsys, "rebuild")
    told = answer(capsys, "label", "straggler", "pattern=audit", "arm=B")
    assert told == {"session": "straggler", "labels": {"pattern": "audit", "arm": "B"}}
    answer(capsys, "rebuild")
    shown = answer(capsys, "show", "straggler")
    assert (shown["pattern"], shown["labels"]) == ("audit", {"arm": "B", "pattern": "audit"})
    assert run(capsys, "label", "last", "pattern=")[1] == "session straggler: pattern removed\n"
    shown = answer(capsys, "show", "straggler")
    assert (shown["pattern"], shown["labels"]) == ("release", {"arm": "B"})


def test_what_is_no_label_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A text without a key or a sign, one that is too long, and a session that is not there."""
    append(tmp_path / "state/journal", straggler().events, DAY_FILE)
    answer(capsys, "rebuild")
    for text in ("release", "=release", "arm=" + "x" * 121):
        code, _, err = run(capsys, "label", "straggler", text)
        assert (code, "label" in err or "too long" in err) == (2, True)
    code, _, err = run(capsys, "label", "nobody", "arm=B")
    assert code == 1
    assert "no session 'nobody'" in err
