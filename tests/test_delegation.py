from __future__ import annotations

from stretto.model.event import Kind, Outcome
from stretto.model.match_agents_with_delegating_calls import SLACK, match_delegations
from tests.scenes import Drawing, background, fold_scene, nested


def agents(drawing: Drawing) -> dict[str, list[str]]:
    """Return the calls of each agent."""
    found = match_delegations(fold_scene(drawing.events))
    return {agent_id: [call.id for call in calls] for agent_id, calls in found.by_agent.items()}


def without_agent(drawing: Drawing) -> list[str]:
    """Return the calls for which no agent is known."""
    return [call.id for call in match_delegations(fold_scene(drawing.events)).without_agent]


def test_a_calls_answer_names_its_agent() -> None:
    """The answer is better than any guess: it also matches agents that started in reverse order."""
    drawing = Drawing().order("first", 1).order("second", 2).run("a", 3).run("b", 4)
    drawing.answer("first", 9, "b").answer("second", 9, "a")
    assert agents(drawing) == {"a": ["second"], "b": ["first"]}


def test_a_notice_of_the_host_names_the_call() -> None:
    """If the call's answer was lost, the notice of the agent's end names the call."""
    drawing = Drawing().order("first", 1).order("second", 2).run("a", 3).run("b", 4)
    drawing.prompt(9, "p2", by="host", task="a", task_status="completed", delegated_by="second")
    assert agents(drawing) == {"a": ["second"], "b": ["first"]}
    assert agents(background()) == {"x": ["call-x"], "y": ["call-y"]}


def test_while_nothing_has_answered_agents_start_in_the_order_of_their_calls() -> None:
    """The oldest open call for that kind of agent is matched, never a call for another kind."""
    drawing = Drawing().order("one", 1, agent="worker").order("two", 2, agent="tester").order("three", 3)
    drawing.run("t", 4, agent="tester").run("w1", 5).run("w2", 6).run("w3", 7)
    assert agents(drawing) == {"t": ["two"], "w1": ["one"], "w2": ["three"]}
    assert without_agent(drawing) == []


def test_an_agent_may_be_stamped_a_little_before_its_call() -> None:
    """Two hook processes race: a call may be stamped after its agent by the slack, and no more."""
    slack = SLACK / 1_000_000_000
    assert agents(Drawing().order("call", 10 + slack).run("a", 10)) == {"a": ["call"]}
    assert agents(Drawing().order("call", 10.1 + slack).run("a", 10)) == {}


def test_a_call_that_ended_before_an_agent_started_did_not_start_it() -> None:
    """A waiting call is over when its agent is."""
    drawing = Drawing().order("call", 1).answer("call", 5, None).run("a", 6)
    assert agents(drawing) == {}
    assert without_agent(drawing) == ["call"]


def test_a_denied_call_starts_nothing_and_a_broken_off_one_only_if_no_other_is_left() -> None:
    """Of two calls for the same agent the one that was not cancelled is likelier."""
    drawing = Drawing().order("denied", 1).order("good", 2).run("a", 3)
    drawing.answer("denied", 9, None, status="denied", outcome=Outcome.CANCELLED)
    assert agents(drawing) == {"a": ["good"]}
    drawing = Drawing().order("broken", 1).order("good", 2).run("a", 3).run("b", 4)
    drawing.answer("broken", 9, None, status="", outcome=Outcome.CANCELLED)
    assert agents(drawing) == {"a": ["good"], "b": ["broken"]}


def test_a_launched_call_is_no_task_of_its_own() -> None:
    """A call that left its agent in the background has an agent, even if the agent was never reported."""
    drawing = Drawing().order("call", 1).answer("call", 2, None, status="async_launched")
    assert without_agent(drawing) == []


def test_a_nested_call_belongs_to_the_agent_that_made_it() -> None:
    """The parent of a delegation is the agent in which the call was made."""
    by_agent = match_delegations(fold_scene(nested().events)).by_agent
    assert {agent_id: [call.parent for call in calls] for agent_id, calls in by_agent.items()} == {
        "outer": [None],
        "left": ["outer"],
        "right": ["outer"],
    }


def test_a_message_to_an_agent_does_not_wait_for_it() -> None:
    """Another tool that names an agent belongs to it, and its end is not the agent's."""
    drawing = Drawing().task("a", 1, 10, "review")
    drawing.stroke(Kind.TOOL_START, 20, id="message", name="SendMessage")
    drawing.stroke(Kind.TOOL_END, 21, id="message", name="SendMessage", attributes={"task": "a"})
    assert agents(drawing) == {"a": ["call-a", "message"]}
    assert [call.waited for call in match_delegations(fold_scene(drawing.events)).by_agent["a"]] == [
        True,
        False,
    ]
