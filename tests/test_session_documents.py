from __future__ import annotations

import gzip
import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stretto.cli.main import main
from stretto.clock import DAY, MINUTE
from stretto.cost_computation import is_listed_model
from stretto.fleet.hidden_names import MARK, NameHider, NameRules
from stretto.fleet.names_shipped_unhidden import CLOSED_DIMENSIONS, PUBLIC_NAMES
from stretto.fleet.session_document import (
    MOST_BYTES,
    MOST_CELLS,
    decode_and_clean_document,
    decode_session_document,
    encode_session_document,
)
from stretto.names.measures import CALLS, MEASURES, TURNS, Dimension
from stretto.shipping.document_limits import CELLS, coarsen_cells, limit_rows
from stretto.shipping.document_maker import compute_digest
from stretto.shipping.hide_row_names import TEXT_RULES, hide_row_names
from stretto.store.database import open_reader
from stretto.store.database_schema import KEPT_TABLES
from stretto.store.sums_by_time_slot import Additions
from tests.fakes import ROOT, recorded, store
from tests.scenes import Drawing, fork_join, frame_drawing, paid, sampled, straggler
from tests.shipped import KEY, make_all, make_maker

HISTORIES = ("claude-code", "histories", "transcript", "dialects")
"""Folders of recorded input that one import reads."""

NOT_SHIPPED = frozenset({"session", "id", "agents", "labels", "types", "tools", "models", "arrived"})
"""Columns that no document has, or that have no names of their own."""

TASK_TYPES = ("review", "testing", "architecture", "implementation")

PUBLIC_WORDS = frozenset().union(*PUBLIC_NAMES.values())


def list_texts(value: Any) -> Iterator[str]:
    """Yield every text below a value of JSON, each line of a text and each part of a path as well."""
    if isinstance(value, dict):
        for member in value.values():
            yield from list_texts(member)
    elif isinstance(value, list):
        for item in value:
            yield from list_texts(item)
    elif isinstance(value, str):
        yield value
        yield from re.split(r"[\n/\\]", value)


def list_recorded_texts(folder: Path) -> Iterator[str]:
    """Yield every text of the lines of JSON in a folder."""
    for path in folder.rglob("*.json*"):
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                yield from list_texts(json.loads(line))
            except ValueError:
                continue


def test_no_text_of_a_recorded_session_is_in_any_document(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No prompt, path, command, description, raw project or session id leaves the machine."""
    monkeypatch.setenv("STRETTO_STATE", str(tmp_path))
    places = [str(ROOT / "tests" / "recorded" / name) for name in HISTORIES]
    assert main(["import", *places]) in {0, 1}
    capsys.readouterr()
    with closing(open_reader(tmp_path / "stretto.db")) as connection:
        documents = make_all(connection, make_maker(lambda *_: "other"))
        columns = ("id", "project", "worktree", "repository", "pattern")
        raw = {
            text
            for row in connection.execute(f"SELECT {', '.join(columns)} FROM sessions")
            for text in row
            if text
        }
    assert len(documents) > 15
    shipped = b"\n".join(map(encode_session_document, documents.values())).decode()
    assert shipped.count(MARK) > 100
    written = set(raw - PUBLIC_WORDS)
    for name in HISTORIES:
        written |= {text.strip() for text in list_recorded_texts(ROOT / "tests" / "recorded" / name)}
    # Short words are names of tools and outcomes: those are looked up one by one below.
    searched = {text for text in written if len(text) >= 12 and text not in PUBLIC_WORDS}
    assert len(searched) > 1_000
    circumstances = {"bypassPermissions", "permission_mode"}
    allowed = {*circumstances, *(text for text in searched if any(text in name for name in MEASURES))}
    assert {text for text in searched if text in shipped} - allowed == set()
    values = {text for line in shipped.split("\n") for text in list_texts(json.loads(line))}
    for text in [text for text in values if text[:1] in {"[", "{"}]:
        values |= {*list_texts(json.loads(text))}
    assert raw & values <= PUBLIC_WORDS


def test_every_text_column_has_a_rule_and_other_texts_are_left_out(tmp_path: Path) -> None:
    """A new column of text is shipped by nobody's decision to hide it, so it is not shipped."""
    with store(tmp_path) as opened:
        for table in (*KEPT_TABLES, "sessions"):
            for _, name, kind, *_ in opened.connection.execute(f"PRAGMA table_info({table})"):
                shipped = name not in {
                    "session",
                    "id",
                    "agents",
                    "labels",
                    "types",
                    "tools",
                    "models",
                    "arrived",
                }
                assert kind != "TEXT" or not shipped or name in TEXT_RULES, f"{table}.{name}"
    row = {"note": "a secret", "width": 3, "agent": "mine", "project": None}
    assert hide_row_names(row, NameHider(KEY)) == {
        "width": 3,
        "agent": NameHider(KEY).hide_name(Dimension.AGENT, "mine"),
    }


def test_names_are_hidden_unless_they_are_public_or_allowed() -> None:
    """The same name is the same hash on all machines of a tenant; other tenants' hashes differ."""
    rules = NameRules(
        shown=frozenset({"reviewer"}),
        shown_projects=frozenset({"shop"}),
        shown_labels=frozenset({"arm"}),
        task_types=frozenset({"review"}),
        scores=frozenset({"quality"}),
    )
    hider = NameHider(KEY, rules, is_listed_model)
    assert set(Dimension) == CLOSED_DIMENSIONS | set(PUBLIC_NAMES) | {Dimension.SIGNATURE}
    for dimension, name in (
        (Dimension.AGENT, "reviewer"), (Dimension.AGENT, "Explore"), (Dimension.TOOL, "Bash"),
        (Dimension.MODEL, "claude-sonnet-4-5"), (Dimension.TASK_TYPE, "review"),
        (Dimension.SCORE, "quality"), (Dimension.OUTCOME, "success"), (Dimension.PATTERN, "none"),
    ):  # fmt: skip
        assert hider.hide_name(dimension, name) == name
    for dimension, name in (
        (Dimension.AGENT, "alices-helper"), (Dimension.TOOL, "mcp__bank__pay"), (Dimension.PATTERN, "plan-x"),
        (Dimension.MODEL, "claude-sonnet-4-5-ours"), (Dimension.TASK_TYPE, "merger"),
    ):  # fmt: skip
        hidden = hider.hide_name(dimension, name)
        assert re.fullmatch(r"~[0-9a-f]{12}", hidden)
        assert hidden == NameHider(KEY).hide_name(dimension, name)
        assert hidden != NameHider(b"another tenant's").hide_name(dimension, name)
    assert hider.hide_project("shop") == "shop"
    assert hider.hide_project("bank").startswith(MARK)
    assert hider.hide_text("agent", "bank") != hider.hide_text("tool", "bank")
    signature = hider.hide_signature("merger,review#0123456789abcdef")
    types, _, identity = signature.partition("#")
    assert types.split(",")[0] == "review"
    assert identity != "0123456789abcdef"
    labels = hide_row_names({"labels": '{"arm":"B","customer":"bank"}'}, hider)
    assert labels == {"labels": '{"arm":"B"}'}


def draw_busy_session(session: str, tasks: int, calls: int) -> Drawing:
    """Draw tasks side by side, each with calls of all lengths."""
    lengths, drawing = random.Random(session), Drawing(session)
    for number in range(tasks):
        start, agent = 10 + lengths.random(), ("Explore", "critic")[number % 2]
        name, moment = f"{session}-task-{number}", start + 1
        drawing.order(f"call-{name}", start, TASK_TYPES[number % 4], agent=agent)
        drawing.run(name, start, agent=agent)
        for call in range(calls):
            took = lengths.lognormvariate(0, 0.5)
            tool = ("Bash", "Read", "Edit", "Grep", "Write")[call % 5]
            drawing.call(f"{name}-{call}", moment, moment + took, tool=tool, parent=name, took=took)
            moment += took + 0.2
        drawing.run(name, None, moment + 1, agent=agent)
        drawing.answer(f"call-{name}", moment + 1, name)
    return frame_drawing(drawing, 600, "release")


@pytest.mark.parametrize("scene", [fork_join, paid, sampled, straggler])
def test_the_sums_of_all_documents_are_those_of_the_store(
    tmp_path: Path, scene: Callable[[], Drawing]
) -> None:
    """What a hub adds up is what the machine shows: no amount is lost or counted twice."""
    with store(tmp_path) as opened:
        opened.take(recorded("fanout"), scene().events)
        documents = make_all(opened.connection, make_maker())
        shipped: Counter[str] = Counter()
        for document in documents.values():
            for _, measure, _, value in document.sums:
                shipped[measure] += value
        stored = dict(
            opened.connection.execute(
                "SELECT measure, SUM(value) FROM rollup WHERE width = 300 GROUP BY measure"
            )
        )
    assert dict(shipped) == stored


@pytest.mark.parametrize("v", [1, 2])
def test_bins_of_a_histogram_are_read_as_the_version_of_the_line_writes_them(tmp_path: Path, v: int) -> None:
    """Since version 2 a bin is the difference from the one before of the same names; each version is read."""
    with store(tmp_path) as opened:
        opened.take(recorded("fanout"))
        document = make_all(opened.connection, make_maker()).popitem()[1]
    sums = (
        (700, "call_time", ("Bash", 271), 2),
        (700, "call_time", ("Bash", 320), 1),
        (700, "call_time", ("Read", 5), 4),
        (700, "turn_time", (541,), 1),
        (701, "turn_time", (540,), 1),
    )
    with_bins = replace(document, v=v, sums=sums)
    line = encode_session_document(with_bins)
    written = [dims for dims, _ in json.loads(line)["sums"]["call_time"]]

    assert written == [["Bash", 271], ["Bash", 320 if v == 1 else 49], ["Read", 5]]
    assert decode_session_document(line) == with_bins


def test_a_line_is_cleaned_of_what_no_document_has(tmp_path: Path) -> None:
    """What a hub stores is the line as this version writes it, whatever else came along."""
    with store(tmp_path) as opened:
        opened.take(recorded("fanout"))
        document = make_all(opened.connection, make_maker()).popitem()[1]
    line = encode_session_document(document)
    more = line.removesuffix(b"}") + b', "prompt": "secret"}'
    decoded, cleaned = decode_and_clean_document(more)
    assert (cleaned, encode_session_document(decoded)) == (line, line)
    assert decoded == decode_session_document(line)


def test_a_document_comes_back_as_it_was_and_grows_in_revision(tmp_path: Path) -> None:
    """A later revision is above an earlier one; day and digest depend on what the session tells."""
    with store(tmp_path) as opened:
        opened.take(recorded("fanout"))
        maker = make_maker()
        ((id, document),) = make_all(opened.connection, maker).items()
        returned = decode_session_document(encode_session_document(document))
        assert sorted(returned.sums, key=repr) == sorted(document.sums, key=repr)
        assert replace(returned, sums=document.sums) == document
        assert document.revision == document.last
        assert document.day == document.last // DAY
        again = maker.make_document(opened.connection, id, previous=document.revision, day=7)
        assert again is not None
        assert again.revision == document.revision + 1
        assert again.day == 7
        assert compute_digest(replace(again, day=document.day), "https://a") == compute_digest(
            document, "https://a"
        )
        assert compute_digest(document, "https://b") != compute_digest(document, "https://a")
        assert maker.make_document(opened.connection, "unknown") is None


def test_a_session_resumed_after_its_pruning_is_another_one_to_the_hub(tmp_path: Path) -> None:
    """Its earlier document keeps the sums that the machine no longer stores with it."""
    with store(tmp_path) as opened:
        opened.take(recorded("fanout"))
        maker = make_maker()
        (id,) = make_all(opened.connection, maker)
        before = maker.name_session(opened.connection, id)
        opened.ingest.release_sessions([id], opened.folder)
        assert maker.name_session(opened.connection, id) != before


def test_a_session_of_thirty_tasks_is_three_kilobytes(tmp_path: Path) -> None:
    """A finished session of 30 tasks and 240 calls adds at most 3 kB to a compressed request."""
    with store(tmp_path) as opened:
        for number in range(8):
            opened.take(draw_busy_session(f"busy-{number}", 30, 8).events)
        maker = make_maker(names=NameRules(task_types=frozenset(TASK_TYPES)))
        documents = make_all(opened.connection, maker).values()
    assert {len(document.rows["task_runs"]) for document in documents} == {30}
    assert min(len(document.sums) for document in documents) > 250
    lines = [encode_session_document(document) for document in documents]
    assert len(gzip.compress(b"\n".join(lines))) / len(lines) <= 3_000
    assert max(len(gzip.compress(line)) for line in lines) <= 3_500


def test_cells_beyond_the_limit_are_by_the_hour_then_added_up_by_name() -> None:
    """Totals stay exact; the names with the fewest observations become other first."""
    additions: Additions = Counter()
    for slot in range(40):
        additions |= {(slot, CALLS, (f"tool-{tool}", "success")): 1_000 - tool for tool in range(1_000)}
    limited, folded = coarsen_cells(additions)
    assert len(limited) <= MOST_CELLS
    assert folded == len(additions) - len(limited)
    assert limited.total() == additions.total()
    assert limited[12, CALLS, ("tool-0", "success")] == 12 * 1_000
    assert limited[12, CALLS, ("tool-999", "success")] == 0
    by_time: Additions = Counter({(slot, TURNS, ()): 1 for slot in range(30_000)})
    limited, _ = coarsen_cells(by_time)
    assert len(limited) == 105
    assert limited[288, TURNS, ()] == 288
    assert limited.total() == 30_000
    small: Additions = Counter({(1, TURNS, ()): 5})
    assert coarsen_cells(small) == (small, 0)


def test_rows_beyond_the_limit_are_left_out_and_counted(tmp_path: Path) -> None:
    """The longest tasks stay, and the document tells how many are missing."""
    with store(tmp_path) as opened:
        opened.take(recorded("fanout"))
        (document,) = make_all(opened.connection, make_maker()).values()
    rows = tuple({"number": number, "length": number * MINUTE} for number in range(20_000))
    large = replace(document, rows={"task_runs": rows})
    limited = limit_rows(large)
    assert len(encode_session_document(limited)) <= MOST_BYTES
    stays = limited.rows["task_runs"]
    assert limited.left_out == {"task_runs": 20_000 - len(stays)}
    assert stays == rows[-len(stays) :]
    assert limit_rows(document) is document
    assert CELLS not in document.left_out
