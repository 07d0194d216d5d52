"""``stretto score``: from the command line into the journal, with and without a service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stretto import journal
from stretto.cli.main import main
from stretto.model.event import Kind
from stretto.state.lock import StateLock
from tests.test_service import configured, report, started, whole_session
from tests.waiting import until

DEMO = Path(__file__).parents[1] / "src" / "stretto" / "demo"
SESSION = "e8cd2941-d5b4-4cbf-9176-9085d5e9a231"
TASK = "a7ece0d3ecf3cf647"


@pytest.fixture
def state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    """Return a state folder with one recorded session in it."""
    folder = tmp_path / "state"
    assert main(["--state", str(folder), "import", str(DEMO / "fanout.jsonl")]) == 0
    capsys.readouterr()
    return folder


def scores(state: Path, capsys: pytest.CaptureFixture[str]) -> list[tuple[Any, ...]]:
    """Return the session's scores."""
    capsys.readouterr()
    assert main(["--state", str(state), "show", SESSION, "--json"]) == 0
    scores = json.loads(capsys.readouterr().out)["scores"]
    return [tuple(score[name] for name in ("of", "of_id", "name", "value", "by")) for score in scores]


@pytest.mark.parametrize(
    ("what", "judged"),
    [
        (["latest"], ("session", SESSION)),
        (["--json", "latest"], ("session", SESSION)),
        (["--session", SESSION], ("session", SESSION)),
        (["--session", "e8cd"], ("session", SESSION)),
        (["--task", TASK], ("task", TASK)),
        (["--task", TASK, "--session", "e8cd"], ("task", TASK)),
    ],
)
def test_a_score_is_kept(
    state: Path, capsys: pytest.CaptureFixture[str], what: list[str], judged: tuple[str, str]
) -> None:
    """Without a service the score is in the journal and the store at once, however its target is named."""
    assert main(["--state", str(state), "score", *what, "quality", "8.5", "--by", "lead", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["session"], answer["of"], answer["of_id"], answer["value"]) == (SESSION, *judged, 8.5)
    assert scores(state, capsys) == [(*judged, "quality", 8.5, "lead")]
    assert main(["--state", str(state), "show", "last"]) == 0
    assert "lead" in capsys.readouterr().out


def test_a_judge_who_judges_again_corrects(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A judge's newest score wins, another judge's score stays, and a rebuild gives the same."""
    for value, by in (("1", "lead"), ("7", "customer"), ("9", "lead")):
        assert main(["--state", str(state), "score", "latest", "quality", value, "--by", by]) == 0
    assert "quality 9 (0 to 10): session" in capsys.readouterr().out
    kept = scores(state, capsys)
    assert sorted(score[3:] for score in kept) == [(7.0, "customer"), (9.0, "lead")]
    assert main(["--state", str(state), "rebuild"]) == 0
    assert scores(state, capsys) == kept


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["latest", "quality", "good"], 2, "'good' is not a number"),
        (["latest", "quality", "nan"], 2, "'value' must be a finite number"),
        (["quality", "8"], 2, "name a session, a task or a phase"),
        (["--task", TASK, "latest", "quality", "8"], 2, "not both"),
        (["--task", "t", "--phase", "p", "quality", "8"], 2, "name a task or a phase, not both"),
        (["latest", "", "8"], 2, "'name' must be a text"),
        (["--task", TASK, "quality"], 2, "a score needs a name and a value"),
        (["--task", TASK, "quality", "8", "9"], 2, "a score needs a name and a value"),
        (["--session", "nobody", "quality", "8"], 1, "there is no session 'nobody'"),
        (["--phase", "nobody", "quality", "8"], 1, "there is no phase 'nobody'"),
    ],
)
def test_what_cannot_be_kept_is_told(
    state: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, message: str
) -> None:
    """Wrong use gives exit code 2, an unknown target 1; nothing is written."""
    before = journal.list_file_sizes(state / "journal")
    assert main(["--state", str(state), "score", *arguments]) == code
    assert message in capsys.readouterr().err
    assert journal.list_file_sizes(state / "journal") == before


def test_an_empty_world_has_nothing_to_judge(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without any session the command reports that plainly."""
    assert main(["--state", str(tmp_path), "score", "latest", "quality", "8"]) == 1
    assert "there is no session yet" in capsys.readouterr().err


def test_a_service_that_runs_takes_it_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command appends, the service follows the journal."""
    config = configured(tmp_path)
    report(config, "mine", *whole_session("mine"))
    with StateLock(config.state) as lock:
        lock.release()
        lock.acquire(config.address)
        with started(config) as service:
            assert main(["--state", str(config.state), "score", "latest", "quality", "8"]) == 0

            def known() -> bool:
                seen = service.answers.summarise_session("mine")
                return seen is not None and [score.value for score in seen.session.scores] == [8.0]

            assert until(known)
    capsys.readouterr()
    events = [
        event
        for file in journal.list_file_sizes(config.journal)
        for event in journal.read_batch(config.journal, file, 0).events
        if event.kind is Kind.SCORE
    ]
    assert [(event.id, event.source) for event in events] == [("mine", "claude-code")]


def test_a_score_is_read_on_its_scale(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """92 of 100 is 9.2 of 10, and the answer says so; 92 alone is refused with the way out."""
    arguments = ["--state", str(state), "score", "latest", "quality", "92"]
    assert main([*arguments, "--of", "100"]) == 0
    assert "quality 9.2 (0 to 10): session" in capsys.readouterr().out
    assert main([*arguments, "--of", "100", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["value"], answer["scale"]) == (9.2, [0, 10])
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert "quality 92 is outside the scale 0 to 10" in error
    assert "--of 100" in error
