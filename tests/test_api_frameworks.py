from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import stretto
from stretto.model.event import Kind, Outcome
from tests.test_api_journal_exporter import Journal, conclude_events, journalled

if TYPE_CHECKING:
    from pydantic_ai import Agent

SECRET = "buy low, sell high"


@pytest.fixture
def written(tmp_path: Path) -> Iterator[Journal]:
    with journalled(tmp_path / "journal") as found:
        yield found


def agent(name: str, *calls: str, answer: str = SECRET) -> Agent[None, str]:
    """Return an agent whose model calls tools and answers without a network, instrumented as users do."""
    # Every worker imports this module: the framework takes a second, and only these tests need it.
    from pydantic_ai import Agent  # noqa: PLC0415
    from pydantic_ai.models.instrumented import InstrumentationSettings  # noqa: PLC0415
    from pydantic_ai.models.test import TestModel  # noqa: PLC0415

    made = Agent(TestModel(call_tools=list(calls), custom_output_text=answer), name=name)
    made.instrument = InstrumentationSettings()
    return made


def test_an_agent_inside_a_session_is_a_task(written: Journal) -> None:
    """Its tool calls and model calls belong to the task, with tokens; content is not recorded."""
    lead = agent("lead", "look", "weigh")

    @lead.tool_plain
    async def look(subject: str) -> str:
        return f"{subject} {SECRET}"

    @lead.tool_plain
    def weigh(subject: str) -> int:
        return len(subject)

    with stretto.session("release", id="s1"):
        asyncio.run(lead.run(SECRET))

    session = conclude_events(written.events())
    (task,) = session.tasks
    assert (session.id, session.outcome) == ("s1", Outcome.SUCCESS)
    assert (task.agent, task.outcome) == ("lead", Outcome.SUCCESS)
    assert sorted((call.tool, call.task) for call in session.tool_calls) == [
        ("look", task.id),
        ("weigh", task.id),
    ]
    assert [(call.model, call.task) for call in session.model_calls] == [("test", task.id)] * 2
    assert all(call.tokens.input and call.tokens.output for call in session.model_calls)
    assert all(path.read_bytes().count(SECRET.encode()) == 0 for path in written.folder.iterdir())


def test_calls_of_one_id_are_calls_of_their_own(written: Journal) -> None:
    """Three agents side by side give their calls the same id: there are three tasks, and a call in each."""
    together = asyncio.Barrier(3)

    async def look(subject: str) -> str:
        await together.wait()
        return subject

    def reviewer(name: str) -> Agent[None, str]:
        made = agent(name, "look")
        made.tool_plain(look)
        return made

    async def main() -> None:
        with stretto.session("release", pattern="fan-out"), stretto.phase("analysis"):
            await asyncio.gather(*(reviewer(name).run("go") for name in ("a", "b", "c")))

    asyncio.run(main())

    session = conclude_events(written.events())
    said = {event.attributes["call"] for event in written.list_events(Kind.TOOL_END)}
    assert len(said) == 1
    assert sorted(str(task.agent) for task in session.tasks) == ["a", "b", "c"]
    assert sorted(str(call.task) for call in session.tool_calls) == sorted(task.id for task in session.tasks)
    latest_start = max(task.start or 0 for task in session.tasks)
    assert latest_start < min(task.end or 0 for task in session.tasks)


def test_an_agent_that_asks_another_is_its_parent(written: Journal) -> None:
    """The task of an agent that was run by a tool names the call, and the call names the task."""
    helper, lead = agent("helper"), agent("lead", "delegate")

    @lead.tool_plain
    async def delegate(question: str) -> str:
        written.events()
        return (await helper.run(question)).output

    with stretto.session():
        asyncio.run(lead.run("go"))

    session = conclude_events(written.events())
    tasks = {task.agent: task for task in session.tasks}
    (call,) = session.tool_calls
    assert set(tasks) == {"lead", "helper"}
    assert call.task == tasks["lead"].id
    assert tasks["helper"].delegated_by == call.id
    assert tasks["helper"].parent == tasks["lead"].id
    assert {model.task for model in session.model_calls} == {task.id for task in session.tasks}


def test_an_agent_inside_a_task_of_ours(written: Journal) -> None:
    """Our task is the agent's parent, and the agent's calls belong to the agent."""
    lead = agent("lead", "look")

    @lead.tool_plain
    def look(subject: str) -> str:
        return subject

    with stretto.session(), stretto.task("t", agent="outer") as outer:
        asyncio.run(lead.run("go"))

    ended = {event.name: event for event in written.list_events(Kind.TASK_END)}
    (call,) = written.list_events(Kind.TOOL_END)
    assert ended["lead"].parent == outer.id
    assert call.parent == ended["lead"].id


def test_a_tool_that_fails_is_told_so(written: Journal) -> None:
    """The framework's error status and class reach the journal, its message does not."""
    lead = agent("lead", "look")

    @lead.tool_plain
    def look(subject: str) -> str:
        raise LookupError(f"{subject} {SECRET}")

    with pytest.raises(LookupError), stretto.session(id="s1"):
        asyncio.run(lead.run("go"))

    session = conclude_events(written.events())
    assert [call.outcome for call in session.tool_calls] == [Outcome.FAILURE]
    assert [task.outcome for task in session.tasks] == [Outcome.FAILURE]
    (end,) = written.list_events(Kind.SESSION_END)
    assert end.outcome is Outcome.FAILURE
    assert all(path.read_bytes().count(SECRET.encode()) == 0 for path in written.folder.iterdir())


def test_an_agent_by_itself_is_a_session_of_its_own(written: Journal) -> None:
    """Without a line of our API its run is a turn of the conversation that it names, with its calls."""
    lead = agent("lead", "look")

    @lead.tool_plain
    def look(subject: str) -> str:
        return subject

    asyncio.run(lead.run("go"))

    session = conclude_events(written.events())
    run = written.spans.read_attributes("invoke_agent lead")
    assert session.id == run["gen_ai.conversation.id"]
    assert session.tasks == ()
    assert [turn.outcome for turn in session.turns] == [Outcome.SUCCESS]
    assert [call.tool for call in session.tool_calls] == ["look"]
    assert len(session.model_calls) == 2
