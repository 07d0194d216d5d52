from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from stretto.model.facts import ENTITY_KINDS, LARGEST, SessionFacts, EntityFacts, make_permission_key, merge_fact, get_number, get_text

FIELDS = {"start": st.integers(0, 9), "last": st.integers(0, 9), "tool": st.sampled_from("abc")}
"""A field that keeps its smallest value, one that keeps its largest, one of text."""

LEARNT = st.lists(
    st.sampled_from(sorted(FIELDS)).flatmap(
        lambda name: st.tuples(st.just(name), st.integers(0, 3), FIELDS[name])
    ),
    max_size=12,
)


def known_after(learnt: list[tuple[str, int, int | str]]) -> EntityFacts:
    """Learn one fact after another."""
    known: EntityFacts = {}
    for name, trust, value in learnt:
        merge_fact(known, name, trust, value)
    return known


def test_the_better_trusted_fact_stays() -> None:
    """A lower number is better trusted, whatever the values and whoever comes first."""
    assert known_after([("start", 2, 1), ("start", 1, 9)]) == {"start": (1, 9)}
    assert known_after([("start", 1, 9), ("start", 2, 1)]) == {"start": (1, 9)}


def test_of_equal_trust_the_smaller_value_stays() -> None:
    """The earlier start wins; in a field of the last kind the later value does, whoever says so."""
    assert known_after([("start", 2, 5), ("start", 2, 3), ("start", 2, 4)]) == {"start": (2, 3)}
    assert "last" in LARGEST
    assert known_after([("last", 1, 5), ("last", 3, 9), ("last", 0, 7)]) == {"last": (0, 9)}


@given(LEARNT, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(learnt: list[tuple[str, int, int | str]], random: Random) -> None:
    """Any order and any repetition of the same facts leave the same."""
    again = learnt + learnt[: len(learnt) // 2]
    random.shuffle(again)
    assert known_after(again) == known_after(learnt)


def test_numbers_and_texts_are_told_apart() -> None:
    """What is not known, or is of the other type, is None."""
    known: EntityFacts = {"start": (2, 5), "tool": (2, "Bash")}
    assert get_number(known, "start") == 5
    assert get_number(known, "tool") is None
    assert get_text(known, "tool") == "Bash"
    assert get_text(known, "start") is None
    assert get_number(known, "absent") is None
    assert get_text(known, "absent") is None


def test_facts_that_are_put_back_are_what_they_were() -> None:
    """For every kind of entity, what ``entity`` gives can be ``put`` into other facts, index included."""
    facts, copy = SessionFacts("s"), SessionFacts("s")
    for kind in ENTITY_KINDS:
        key = "" if kind in {"session", "permission"} else f"{kind}-1"
        if kind == "permission":
            facts.add_permission_request("agent|Bash", 5, 2)
        else:
            merge_fact(facts.get_entity(kind, key), "tool", 2, "Agent")
        copy.restore_entity(kind, key, dict(facts.get_entity(kind, key)))
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


def test_the_calls_that_a_request_may_be_for_follow_what_is_known_of_them() -> None:
    """A call that turns out to be of another tool is no longer one of them, one that comes later is."""
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


def test_a_call_stops_being_one_that_delegates_when_more_is_known() -> None:
    """The index of delegating calls follows what is known, as it does when facts are read from the store."""
    facts = SessionFacts("s")
    known = facts.get_entity("call", "c")
    merge_fact(known, "tool", 3, "Agent")
    facts.index_delegating("c", known)
    assert facts.delegating == {"c"}
    merge_fact(known, "tool", 2, "Bash")
    facts.index_delegating("c", known)
    assert facts.delegating == set()


def test_a_permission_request_is_known_by_agent_and_tool() -> None:
    """Neither is ever confused with the other; the main agent has no id."""
    assert make_permission_key(None, "Bash") == "|Bash"
    assert make_permission_key("Bash", None) == "Bash|"
