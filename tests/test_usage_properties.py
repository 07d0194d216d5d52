"""Whatever line of a transcript is lost: sums do not rise, and what another line still tells of is missed."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from stretto.figures.session_spending import Spending, sum_spending
from stretto.figures.unreported_model_calls import UsageGaps
from stretto.model.call_cost_and_usage_types import Cost, CostOrigin
from stretto.model.entities import ModelCall
from stretto.sources.transcript import identify_transcript, read_transcript
from tests.scenes import conclude_scene

SESSION = "77777777-0000-4111-8111-111111111111"
Line = dict[str, Any]


@dataclass
class Script:
    """Lines of a transcript, each a second after the one before; ``ends``: its answers say that they end."""

    ends: bool = True
    lines: list[Line] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    """For each line, the message whose use it has, or no text."""

    def say(self, agent: str | None, usage_of: str = "", **line: Any) -> None:
        """Add a line of the main agent or of another."""
        number = len(self.lines)
        self.lines.append(
            {
                "sessionId": SESSION, "uuid": f"u{number}", "cwd": "/w/p", "version": "2.0.76",
                "timestamp": f"2026-11-20T10:{number // 60:02}:{number % 60:02}.000Z",
                "isSidechain": agent is not None, "agentId": agent, **line,
            }
        )  # fmt: skip
        self.told.append(usage_of)

    def answer(self, agent: str | None, id: str, calls: int, *, prompt: int) -> list[str]:
        """Add a message as a line for each of its tool calls, or one of text; return the calls."""
        asked = [f"{id}-{number}" for number in range(calls)]
        blocks: list[Line] = [
            {"type": "tool_use", "id": call, "name": "Task" if agent is None else "Read", "input": {}}
            for call in asked
        ] or [{"type": "text", "text": "done"}]
        for number, block in enumerate(blocks):
            last = number == len(blocks) - 1
            message = {
                "id": id, "role": "assistant", "model": "claude-opus-4-6", "content": [block],
                "stop_reason": "end_turn" if self.ends and last else None,
                "usage": {"input_tokens": prompt, "output_tokens": 40 if last else 1},
            }  # fmt: skip
            self.say(agent, id, type="assistant", message=message)
        return asked

    def report(self, agent: str | None, call: str, **result: Any) -> None:
        """Add the result of a tool call."""
        content = [{"type": "tool_result", "tool_use_id": call, "content": "ok"}]
        self.say(agent, type="user", message={"role": "user", "content": content}, toolUseResult=result)


@st.composite
def scripts(draw: st.DrawFn) -> Script:
    """Return a turn that delegates to agents, each with some rounds of tool calls and a last answer."""
    script = Script(ends=draw(st.booleans()))
    script.say(None, type="user", message={"role": "user", "content": "go"})
    delegated = script.answer(None, "m", draw(st.integers(1, 3)), prompt=5)
    for number, call in enumerate(delegated):
        agent, prompt = f"a{number}", 10
        for round_number in range(draw(st.integers(0, 3))):
            prompt += 10
            id = f"{agent}-m{round_number}"
            for tool in script.answer(agent, id, draw(st.integers(1, 3)), prompt=prompt):
                script.report(agent, tool)
        script.answer(agent, f"{agent}-last", 0, prompt=prompt + 10)
        usage = {"input_tokens": prompt + 10, "output_tokens": 40}
        script.report(
            None, call, agentId=agent, status="completed", totalDurationMs=1_000,
            totalTokens=prompt + 50, usage=usage,
        )  # fmt: skip
    script.answer(None, "end", 0, prompt=9)
    return script


def price(call: ModelCall) -> Cost:
    """Return a cost that grows with the tokens."""
    return Cost(sum(count or 0 for count in call.tokens.to_counts().values()), CostOrigin.LIST)


def spend(lines: list[Line]) -> Spending:
    """Return the use of the session that the lines report."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / f"{SESSION}.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        events = read_transcript(identify_transcript(path), at_rest=True).events
    session = conclude_scene(events, lost=True)
    return sum_spending(((call, price(call)) for call in session.model_calls), UsageGaps(session)).total


@given(scripts(), st.data())
def test_a_lost_line_never_raises_a_sum_and_lowers_coverage(script: Script, data: st.DataObject) -> None:
    """Tokens, cost and calls do not rise; if they fall and another line tells of the message, so is coverage.

    The lines of a message, the results of its tool calls, and the answer that an agent gave tell of it.
    """
    place = data.draw(st.sampled_from([number for number, id in enumerate(script.told) if id]))
    whole = spend(script.lines)
    without = spend([*script.lines[:place], *script.lines[place + 1 :]])

    assert all(count <= whole.tokens.get(kind, 0) for kind, count in without.tokens.items())
    assert without.model_calls <= whole.model_calls
    assert (without.cost or 0) <= (whole.cost or 0)
    lost_some = sum(without.tokens.values()) < sum(whole.tokens.values())
    if lost_some and script.told[place] != "end":
        assert not without.is_token_sum_complete
        # An answer that was unfinished anyway was not covered before.
        falls = (without.coverage or 0) < (whole.coverage or 0)
        assert falls if script.ends else (without.coverage or 0) <= (whole.coverage or 0)


def test_an_answers_first_usage_is_completed_by_the_result_of_its_agent() -> None:
    """The agent's last request sent 30 tokens and answered 1 so far; the result names 30 and 40."""
    script = Script()
    script.say(None, type="user", message={"role": "user", "content": "go"})
    (call,) = script.answer(None, "m", 1, prompt=5)
    script.ends = False
    script.answer("a0", "last", 0, prompt=30)
    script.ends = True
    script.lines[-1]["message"]["usage"]["output_tokens"] = 1
    usage = {"input_tokens": 30, "output_tokens": 40}
    result = {"agentId": "a0", "status": "completed", "totalDurationMs": 1_000, "usage": usage}
    script.report(None, call, **result)
    script.answer(None, "end", 0, prompt=9)

    completed = spend(script.lines)
    assert (completed.tokens["output"], completed.coverage) == (40 + 40 + 40, 1)
    script.lines[-2]["toolUseResult"]["usage"]["input_tokens"] = 31
    other = spend(script.lines)
    assert (other.tokens["output"], other.lower_bounds, other.incomplete_tasks) == (40 + 1 + 40, 1, 1)
