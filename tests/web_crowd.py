"""A store of more than a thousand sessions in which every name is long, to see what pages do with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from stretto.clock import DAY, HOUR, MINUTE, SECOND
from stretto.findings.findings_snapshot import FindingsState
from stretto.model.decisions import Decision, DecisionKind
from stretto.model.event import Event, Kind, Outcome
from stretto.model.findings import Finding, FindingEvidence, FindingVerdict, RunLink
from stretto.store.finding_history_and_last_answers import AnalysisResult, StoredFinding
from tests.web_served import NOON, Store

SESSIONS = 1_097
AGENTS = tuple(f"senior-software-architect-for-distributed-systems-{number}" for number in range(9))
PATTERN = "review-every-document-of-the-release-candidate"
TOOL = "mcp__a_server_with_a_long_name__list_everything_that_is_there"
MODEL = "a-model-of-some-vendor-20260801-with-a-long-suffix"
TEXTS = ("write tests for every branch of the payment module", "research the market of embedded databases")
BESIDE = "session-in-another-terminal-of-the-same-worktree"
"""A copy of the newest session, so that two of a project were open at once."""

FIRST = "crowd-of-sessions-with-long-ids-0000"
OTHER = "crowd-of-sessions-with-long-ids-0013"
FINDING = Finding(
    "task_length",
    {"pattern": PATTERN, "type": "a-task-type-with-a-name-that-is-long", "agent": AGENTS[0]},
    FindingVerdict.REGRESSION,
    FindingEvidence(
        n=1_097, effect=1.5, low=1.4, high=1.6, p=1e-6, detectable=1.1, coverage=0.9,
        runs=(RunLink(FIRST, "t0", "before"), RunLink(OTHER, "t1", "after"), RunLink("gone")),
    ),
    since=NOON - 7 * DAY,
    details={"a_number_with_a_name_that_is_rather_long": 1_234_567.891, "cause": TEXTS[0]},
)  # fmt: skip
STATE = FindingsState(
    at=NOON,
    findings=(
        StoredFinding("a1b2", "changes", FINDING, NOON - DAY, NOON - DAY),
        StoredFinding("c3d4", "changes", FINDING, NOON - 9 * DAY, NOON - DAY, ended=NOON - DAY),
        StoredFinding("e5f6", "changes", replace(FINDING, subject={"agent": AGENTS[0]}), NOON, NOON),
    ),
    decisions=(Decision("1", NOON, DecisionKind.APPLIED, "a1b2", TEXTS[0], {}),),
    results={
        "holdups": AnalysisResult(
            "holdups", NOON, 0.5, (), {
                "sessions": {
                    FIRST: [
                        {
                            "kind": "agent", "name": AGENTS[0], "seconds": 156.0, "low": 90.0, "high": 200.0,
                            "share": 0.4, "cause": TEXTS[1],
                        }
                    ]
                },
            },
        ),
    },
)  # fmt: skip
"""A finding that holds, one that is over, a decision, and what held the first session up."""

SAMPLED = 40
"""The newest sessions: their agents talk, and the machine was sampled; every other one used it up."""

EVERY = HOUR // 2
"""Time between two sessions: the oldest began three weeks before noon."""


def add_crowd(store: Store, sessions: int = SESSIONS) -> None:
    """Put the sessions in, the newest two hours before noon."""
    store.events([event for number in range(sessions) for event in _make_session(number)])
    store.events([*_make_session(0, BESIDE)])


def _make_session(number: int, session: str = "") -> Iterator[Event]:
    """Yield the events of a session: two tasks side by side, each with a tool call and a model call.

    All sessions write the same file.
    """
    session = session or f"crowd-of-sessions-with-long-ids-{number:04}"
    begin = NOON - 2 * HOUR - number * EVERY

    def make(kind: Kind, after: int, **fields: Any) -> Event:
        return Event(kind=kind, session=session, time=begin + after, **fields)

    project = f"a-project-with-rather-a-long-name-{number % 7}"
    yield make(Kind.SESSION_START, 0, attributes={"reason": "startup", "project": project})
    yield make(Kind.TURN_START, SECOND, id="p", type="user", attributes={"command": PATTERN})
    for place, text in enumerate(TEXTS):
        agent, task, call = AGENTS[(number + place) % len(AGENTS)], f"t{place}", f"c{place}"
        length = (2 + number % 5 + place) * MINUTE
        failed = number % 13 == 0 and place == 0
        outcome = Outcome.FAILURE if failed else Outcome.SUCCESS
        order = {"agent": agent, "description": text}
        yield make(Kind.TOOL_START, 2 * SECOND, id=call, name="Agent", attributes=order)
        yield make(Kind.TASK_START, 2 * SECOND, id=task, name=agent)
        end: dict[str, Any] = {"parent": task, "duration": 30 * SECOND, "outcome": outcome}
        yield make(Kind.TOOL_END, MINUTE, id=f"{call}-t", name=TOOL, attributes={"wrote": "ab12"}, **end)
        usage = {"input_tokens": 900, "output_tokens": 100 + number}
        yield make(Kind.MODEL_CALL, MINUTE, id=f"{call}-m", name=MODEL, attributes=usage, **end)
        if number < SAMPLED:
            to = AGENTS[(number * 5 + place * 2 + 1) % len(AGENTS)]
            answered = place * SECOND or None
            sent: dict[str, Any] = {"name": to, "parent": task, "attributes": {"sender": agent}}
            yield make(Kind.MESSAGE, MINUTE, id=f"m{place}", duration=answered, **sent)
        yield make(Kind.TASK_END, length, id=task, name=agent, outcome=outcome)
        done = {"task": task, "status": "completed"}
        yield make(Kind.TOOL_END, length, id=call, name="Agent", outcome=outcome, attributes=done)
    if number < SAMPLED:
        yield make(
            Kind.SAMPLE, SECOND, duration=8 * MINUTE, source="stretto", attributes=_make_sample(number)
        )
    yield make(Kind.TURN_END, 9 * MINUTE, id="p", outcome=Outcome.SUCCESS)
    yield make(Kind.SESSION_END, 9 * MINUTE, attributes={"reason": "exit"})


def _make_sample(number: int) -> dict[str, int]:
    """Return the values of a sample of eight minutes on a machine with two processors and 16 GB."""
    share, free = (0.97, 1) if number % 2 else (0.3, 9)
    available = 16 * MINUTE
    use = {name: round(available * share) for name in ("cpu", "machine_busy", "machine_busy_share")}
    return use | {
        "memory": 1 << 30, "memory_peak": 1 << 30, "machine_available": available,
        "machine_available_share": available, "machine_memory": 16 << 30,
        "machine_memory_available": free << 30,
    }  # fmt: skip
