from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from stretto.model.facts import (
    ENTITY_KINDS,
    EntityFacts,
    SessionFacts,
    get_number,
    get_text,
    make_permission_key,
    merge_fact,
)
from stretto.names.fact_fields import LARGEST

FIELDS = {"start": st.integers(0, 9), "last": st.integers(0, 9), "tool": st.sampled_from("abc")}
"""A field that keeps its smallest value, one that keeps its largest, one of text."""

FACTS = st.lists(
    st.sampled_from(sorted(FIELDS)).flatmap(
        lambda name: st.tuples(st.just(name), st.integers(0, 3), FIELDS[name])
    ),
    max_size=12,
)


def merge_all(facts: list[tuple[str, int, int | str]]) -> EntityFacts:
    """Return an entity's facts after merging one fact after another."""
    entity_facts: EntityFacts = {}
    for name, rank, value in facts:
        merge_fact(entity_facts, name, rank, value)
    return entity_facts


def test_the_better_ranked_fact_is_kept() -> None:
    """Rank 1 beats rank 2, whatever the values and the order."""
    assert merge_all([("start", 2, 1), ("start", 1, 9)]) == {"start": (1, 9)}
    assert merge_all([("start", 1, 9), ("start", 2, 1)]) == {"start": (1, 9)}


def test_of_equal_ranks_the_smaller_value_is_kept() -> None:
    """The earlier start wins; a field of ``LARGEST`` keeps the larger value whatever the rank."""
    assert merge_all([("start", 2, 5), ("start", 2, 3), ("start", 2, 4)]) == {"start": (2, 3)}
    assert "last" in LARGEST
    assert merge_all([("last", 1, 5), ("last", 3, 9), ("last", 0, 7)]) == {"last": (0, 9)}


@given(FACTS, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(facts: list[tuple[str, int, int | str]], random: Random) -> None:
    """Any order and any repetition of the same facts give the same result."""
    again = facts + facts[: len(facts) // 2]
    random.shuffle(again)
    assert merge_all(again) == merge_all(facts)


def test_numbers_and_texts_are_distinguished() -> None:
    """An absent field, or a value of the other type, is None."""
    entity_facts: EntityFacts = {"start": (2, 5), "tool": (2, "Bash")}
    assert get_number(entity_facts, "start") == 5
    assert get_number(entity_facts, "tool") is None
    assert get_text(entity_facts, "tool") == "Bash"
    assert get_text(entity_facts, "start") is None
    assert get_number(entity_facts, "absent") is None
    assert get_text(entity_facts, "absent") is None


def test_restored_facts_are_equal() -> None:
    """For every entity kind, facts can be read and restored into other facts, indexes included."""
    facts, copy = SessionFacts("s"), SessionFacts("s")
    for kind in ENTITY_KINDS:
        key = "" if kind in {"session", "permission"} else f"{kind}-1"
        if kind == "permission":
            facts.add_permission_request("agent|Bash", 5, 2)
        else:
            merge_fact(facts.get_entity(kind, key), "tool", 2, "Agent")
        copy.restore_entities(kind, {key: dict(facts.get_entity(kind, key))})
    facts.index_delegating("call-1", facts.calls["call-1"])
    assert copy == facts
    assert copy.delegating == {"call-1"}
    assert copy.has_permission_request("agent|Bash", 5, 5)


def test_a_request_for_permission_is_found_by_its_time() -> None:
    """Both ends of the stretch count, repeats and order do not, and another agent's request is not found."""
    facts = SessionFacts("s")
    for time in (9, 5, 9):
        facts.add_permission_request("agent|Bash", time, 2)
    assert facts.permission_times == {"agent|Bash": [5, 9]}
    stretches = [(1, 4), (1, 5), (6, 8), (9, 20), (10, 20)]
    assert [facts.has_permission_request("agent|Bash", *stretch) for stretch in stretches] == [
        False,
        True,
        False,
        True,
        False,
    ]
    assert not facts.has_permission_request("|Bash", 1, 20)


def test_the_calls_of_a_permission_request_follow_their_facts() -> None:
    """A call that moves to another tool is dropped, and a later call is added."""
    facts = SessionFacts("s")
    for call_id in ("a", "b"):
        merge_fact(facts.get_entity("call", call_id), "tool", 3, "Bash")
    assert sorted(key for key, _ in facts.iterate_calls_for("|Bash")) == ["a", "b"]
    merge_fact(facts.get_entity("call", "a"), "tool", 2, "Read")
    facts.index_permission_key("a", facts.calls["a"])
    merge_fact(facts.get_entity("call", "c"), "tool", 3, "Bash")
    facts.index_permission_key("c", facts.calls["c"])
    assert sorted(key for key, _ in facts.iterate_calls_for("|Bash")) == ["b", "c"]
    assert [key for key, _ in facts.iterate_calls_for("|Read")] == ["a"]


def test_the_index_of_delegating_calls_follows_the_tool() -> None:
    """A better ranked fact can change the tool, and with it whether the call delegates."""
    facts = SessionFacts("s")
    call = facts.get_entity("call", "c")
    merge_fact(call, "tool", 3, "Agent")
    facts.index_delegating("c", call)
    assert facts.delegating == {"c"}
    merge_fact(call, "tool", 2, "Bash")
    facts.index_delegating("c", call)
    assert facts.delegating == set()


def test_a_permission_request_is_known_by_agent_and_tool() -> None:
    """Neither is ever confused with the other; the main agent has no id."""
    assert make_permission_key(None, "Bash") == "|Bash"
    assert make_permission_key("Bash", None) == "Bash|"
