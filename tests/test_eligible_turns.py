from __future__ import annotations

from stretto.clock import SECOND
from stretto.figures.parallelisable_turns import EligibleTurn, find_eligible_turns
from tests.scenes import (
    Drawing,
    at,
    background,
    conclude_scene,
    delivery,
    fork_join,
    frame_drawing,
    nested,
    one_by_one,
    straggler,
)


def turns(drawing: Drawing) -> tuple[EligibleTurn, ...]:
    """Return the eligible turns of a drawing."""
    return find_eligible_turns(conclude_scene(drawing.events))


def test_a_turn_that_ran_side_by_side_is_parallel() -> None:
    """Three tasks of 30 s at once: three agents had 30 s each, and used them."""
    assert turns(fork_join()) == (EligibleTurn(at(50), True, 90 * SECOND, 90 * SECOND),)


def test_idle_agents_are_seen() -> None:
    """The straggler has 105 s of work, while three agents had 60 s each."""
    assert turns(straggler()) == (EligibleTurn(at(60), True, 105 * SECOND, 180 * SECOND),)


def test_one_after_another_could_have_been_parallel() -> None:
    """The turn is eligible but not parallel; its single agent was busy for 100 of 120 s."""
    assert turns(one_by_one()) == (EligibleTurn(at(120), False, 100 * SECOND, 120 * SECOND),)


def test_a_task_and_its_own_task_cannot_run_in_parallel() -> None:
    """One task of the main agent is not two; the two inside it are."""
    single = frame_drawing(
        Drawing().task("outer", 0, 50, "plan").task("inner", 10, 40, "review", parent="outer"), 60
    )
    assert turns(single) == ()
    (turn,) = turns(nested())
    assert (turn.parallel, turn.busy, turn.capacity) == (True, 60 * SECOND, 80 * SECOND)


def test_a_session_without_turns_counts_as_one() -> None:
    """An orchestrator has no prompts: all its tasks form a single turn once the session is over."""
    assert turns(delivery()) == (EligibleTurn(at(110), True, 100 * SECOND, 140 * SECOND),)
    still = Drawing("open").opens().task("a", 1, 2, "review").task("b", 3, 4, "review")
    assert turns(still) == ()


def test_each_turn_has_its_own_tasks() -> None:
    """Of two turns with two tasks, the first ran them in parallel; a third turn had a single task."""
    drawing = Drawing().opens().prompt(0).task("a", 1, 5, "review").task("b", 2, 6, "review").stop(9)
    drawing.prompt(10, "p2").task("c", 11, 15, "review").task("d", 16, 19, "review").stop(20, "p2")
    drawing.prompt(30, "p3").task("e", 31, 35, "review").stop(36, "p3").ends(40)
    assert [(turn.at, turn.parallel) for turn in turns(drawing)] == [(at(9), True), (at(20), False)]


def test_agents_in_the_background_belong_to_the_turn_that_sent_them() -> None:
    """The turn had stopped long before they did; it counts once they are over."""
    assert [turn.parallel for turn in turns(background())] == [True]
    assert turns(Drawing().opens().prompt(0).run("a", 1).run("b", 2).stop(5, running=["a", "b"])) == ()


def test_what_cannot_be_known_is_left_out() -> None:
    """A task of unknown length may have overlapped, so the turn is left out unless two others did overlap."""
    drawing = frame_drawing(Drawing().task("a", 0, 10, "review").run("b", 20), 40)
    assert turns(drawing) == ()
    drawing.task("c", 5, 15, "review")
    (turn,) = turns(drawing)
    assert (turn.parallel, turn.busy, turn.capacity) == (True, 0, 0)
