"""Draw who talked to whom as an arc diagram: agents below each other, arcs from sender to receiver.

Each agent has one place and a label that no line crosses, at every width. An arc leaves its sender at the
upper port and enters its receiver at the lower one, where its arrow is. The form is that of M. Wattenberg,
"Arc Diagrams" (2002).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from stretto.figures.messages_between_agents import Conversation
from stretto.format import quantities

MOST_AGENTS = 20
"""Most agents that are drawn: those with the most messages."""

UNKNOWN = "not reported"

PITCH, TOP, MIDDLE = 34, 24, 14
"""Pixels from an agent to the next, above the first, and from an agent's top to its middle."""

PLACE = 10
"""Pixels from the left border to the middle of an agent's dot."""

_PORT = 5
_REACH, _NEAREST, _SELF = 150, 24, 18
_UPWARD = 0.85
"""Upward arcs are this much flatter, so that an answer does not hide its question."""
_THINNEST, _THICKEST = 1.5, 6.0
_SMALLEST, _LARGEST = 4.0, 9.0


@dataclass(frozen=True, slots=True)
class NetworkAgent:
    """An agent: a dot of ``radius`` at height ``y``, in pixels."""

    name: str
    y: int
    radius: float
    about: str
    is_reached: bool
    """Whether an arc ends here, so that it has an arrow."""


@dataclass(frozen=True, slots=True)
class NetworkArc:
    """The messages from an agent to another: the path of a line, and how thick it is in pixels."""

    path: str
    width: float
    about: str
    is_answered: bool


@dataclass(frozen=True, slots=True)
class CollaborationNetwork:
    """A drawing of conversations."""

    agents: Sequence[NetworkAgent]
    arcs: Sequence[NetworkArc]
    height: int
    place: int
    """Pixels from the left border to the middle of each dot."""
    summary: str
    left_out: int
    """Agents with fewer messages that are not drawn."""


def draw_network(conversations: Iterable[Conversation]) -> CollaborationNetwork | None:
    """Return the drawing of some conversations; None without any.

    Example: of ``a`` to ``b`` with 9 messages and ``b`` to ``a`` with 1, the arcs are 6 and 2 pixels thick.
    """
    pairs = [(each.sender or UNKNOWN, each.receiver or UNKNOWN, each) for each in conversations]
    if not pairs:
        return None
    sent, received = Counter[str](), Counter[str]()
    for sender, receiver, each in pairs:
        sent[sender] += each.messages
        received[receiver] += each.messages
    totals = sent + received
    ranked = sorted(totals, key=lambda name: (name == UNKNOWN, -totals[name], name))
    shown = ranked[:MOST_AGENTS]
    heights = {name: TOP + PITCH * place + MIDDLE for place, name in enumerate(shown)}
    drawn = [each for each in pairs if each[0] in heights and each[1] in heights]
    most = max(each.messages for _, _, each in drawn) if drawn else 1
    largest = max(totals.values())
    return CollaborationNetwork(
        tuple(
            NetworkAgent(
                name,
                heights[name],
                round(_SMALLEST + (_LARGEST - _SMALLEST) * totals[name] / largest, 1),
                f"{name}: {sent[name]} sent, {received[name]} received",
                is_reached=any(receiver == name for _, receiver, _ in drawn),
            )
            for name in shown
        ),
        # Thin arcs come last, so that no thick one hides them.
        tuple(
            NetworkArc(
                _draw_arc(heights[sender], heights[receiver], len(shown)),
                round(_THINNEST + (_THICKEST - _THINNEST) * each.messages / most, 2),
                _describe(sender, receiver, each),
                is_answered=each.answered > 0,
            )
            for sender, receiver, each in sorted(drawn, key=lambda pair: -pair[2].messages)
        ),
        height=TOP + PITCH * len(shown),
        place=PLACE,
        summary=_summarize(len(totals), len(pairs), drawn),
        left_out=len(ranked) - len(shown),
    )


def _draw_arc(start: int, end: int, agents: int) -> str:
    """Return half an ellipse to the right of the agents, as the data of an SVG path."""
    first, last = start - _PORT, end + _PORT
    reach: float = _SELF
    if start != end:
        share = abs(end - start) / (PITCH * max(1, agents - 1))
        reach = (_NEAREST + (_REACH - _NEAREST) * share) * (_UPWARD if end < start else 1)
    turn = int(last > first)
    return f"M{PLACE} {first}A{reach:.0f} {abs(last - first) / 2:g} 0 0 {turn} {PLACE} {last}"


def _describe(sender: str, receiver: str, each: Conversation) -> str:
    messages = quantities.format_count_with_noun(each.messages, "message")
    if each.median_seconds is None:
        return f"{sender} to {receiver}: {messages}, no answer was seen"
    median = quantities.format_duration(each.median_seconds)
    return f"{sender} to {receiver}: {messages}, {each.answered} answered after {median} in the median"


def _summarize(agents: int, pairs: int, drawn: Sequence[tuple[str, str, Conversation]]) -> str:
    counted = (
        quantities.format_count_with_noun(agents, "agent"),
        quantities.format_count_with_noun(pairs, "pair"),
    )
    text = f"Who talked to whom: {counted[0]}, {counted[1]} of sender and receiver."
    if not drawn:
        return text
    sender, receiver, most = max(drawn, key=lambda pair: pair[2].messages)
    return f"{text} Most: {_describe(sender, receiver, most)}."
