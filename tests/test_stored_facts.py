"""The stored facts of sessions: rows while they run, packed once they are over."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from stretto.store.stored_facts import FactsForm, find_facts_form, list_entities, load_all_facts
from tests.fakes import rebuilt, store
from tests.scenes import Drawing, at, fold_scene

KINDS = ("call", "task")


def test_facts_are_packed_at_the_end_and_rows_again_when_the_session_is_resumed(tmp_path: Path) -> None:
    """Whatever their form, the loaded facts are those of all events, and a rebuild stores the same bytes."""
    drawing = Drawing("s").opens().prompt(0).task("a", 0, 10, "review")
    ended = Drawing("s").ends(20)
    resumed = Drawing("s").prompt(30)
    with store(tmp_path) as opened:
        events = []
        for number, (part, form) in enumerate(
            ((drawing, FactsForm.ROWS), (ended, FactsForm.PACKED), (resumed, FactsForm.ROWS))
        ):
            opened.take(part.events)
            events += part.events
            assert find_facts_form(opened.connection, "s") is form
            assert load_all_facts(opened.connection, "s") == fold_scene(events)
            assert {id for _, id in list_entities(opened.connection, "s", KINDS)} >= {"a"}
            again = rebuilt(opened.folder, tmp_path / f"again-{number}.db", now=at(31))
            assert opened.rows() == again


def test_damaged_packed_facts_are_damage_of_the_store(tmp_path: Path) -> None:
    """They raise the error that makes the service build the store anew, and no other."""
    with store(tmp_path) as opened:
        opened.take(Drawing("s").opens().ends(1).events)
        opened.connection.execute("UPDATE packed_facts SET known = x'00'")
        with pytest.raises(msgspec.DecodeError, match="packed facts"):
            load_all_facts(opened.connection, "s")
