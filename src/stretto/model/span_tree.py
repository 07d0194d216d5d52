"""Span tree: the spans of a session, linked with each other, and the kind of entity that each of them is.

A span declares a role. Which entity it is depends on the spans above and beside it, and these may come in any
request and any order. So the tree is made of all spans of a session at once. ``events_from_spans`` makes
events of it.

Three rules change the tree first: an agent beside the tool call that it runs in is moved below the call, a
step beside the childless agent of its name and interval is moved below the agent, and a ring of parents is
cut.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum

from stretto.model.event import Outcome
from stretto.model.facts import EntityFacts, get_number, get_text
from stretto.names import fact_fields

_MILLISECOND = 1_000_000
_SLACK = 20 * _MILLISECOND
"""Nanoseconds by which two reports of the same work may differ at each edge, at least."""
_SLACK_SHARE = 50
"""The same as a share of the length: a fiftieth."""
_OVERLAP_SHARE = 100
"""An overlap of less than a hundredth of the shorter span is a hand-over."""
_IDLE_STEP_SHARE = 20
"""A step without work inside counts only from a twentieth of the longest step beside it."""
_COVER_SHARE = 0.9
"""A step is a wrapper if a single agent or call fills nine tenths of it."""
_FILL_SHARE = 0.8
"""A called agent fills at least four fifths of the call; the rest is the framework's."""
_NO_CALL = 50 * _MILLISECOND
"""A model call without usage that is shorter prepared a call and sent none."""


class SpanRole(StrEnum):
    """The role that a span declares."""

    SESSION = "session"
    TURN = "turn"
    TASK = "task"
    """A task with an id of its own, such as the Python API's."""
    UNIT = "unit"
    """A task of a workflow engine. Repeated attempts share an id and are a single task."""
    RUN = "run"
    """A run of an agent that names its thread: a turn in the session's own thread, else a task."""
    AGENT = "agent"
    """An agent's run: a turn if it is the outermost span, else a task."""
    WORKFLOW = "workflow"
    """A turn; inside another turn it is a step."""
    CHAIN = "chain"
    """A framework's step: a turn if it is the outermost span, a task if it runs beside other steps."""
    TOOL = "tool"
    MODEL = "model"
    PHASE = "phase"
    LINK = "link"
    """A span that only links the spans below it to those above."""


class SpanKind(StrEnum):
    """The kind of entity that a span is."""

    SESSION = "session"
    TURN = "turn"
    TASK = "task"
    TOOL = "tool"
    MODEL = "model"
    LINK = "link"


_AGENTS = frozenset({SpanRole.AGENT, SpanRole.TASK, SpanRole.UNIT})
_STEPS = frozenset({SpanRole.CHAIN, SpanRole.WORKFLOW})
_TOP_ROLES = frozenset({SpanRole.AGENT, SpanRole.CHAIN, SpanRole.WORKFLOW})
"""Roles that make a turn of the outermost span."""
_WORK = _AGENTS | {SpanRole.MODEL}


class SpanNode:
    """A span in the tree."""

    __slots__ = (
        "above", "children", "end", "facts", "has_agent", "has_usage", "has_work", "id", "is_root", "kind",
        "merged", "name", "parent", "phase", "role", "start", "thread",
    )  # fmt: skip

    def __init__(self, id: str, facts: EntityFacts) -> None:
        self.id = id
        self.facts = facts
        self.role = _to_role(get_text(facts, fact_fields.ROLE))
        self.name = get_text(facts, fact_fields.NAME)
        self.thread = get_text(facts, fact_fields.AGENT_ID)
        """The agent whose run it is, or that made the call, where the client names it."""
        self.start = get_number(facts, fact_fields.START) or 0
        self.end = get_number(facts, fact_fields.END)
        self.is_root = fact_fields.PARENT not in facts
        """Whether it is the top of its trace, not only of what has arrived."""
        self.parent: SpanNode | None = None
        self.children: list[SpanNode] = []
        self.kind = SpanKind.LINK
        self.above: SpanNode | None = None
        """The nearest entity above."""
        self.merged: list[SpanNode] = []
        """Spans that report the same entity again."""
        self.phase: str | None = None
        self.has_work = self.has_agent = False
        """Whether a model call or an agent, or an agent alone, is somewhere below."""
        self.has_usage = any(name in facts for name in (*fact_fields.TOKENS, fact_fields.COST))
        """Whether it, or a model call below it, has tokens or a cost."""

    @property
    def length(self) -> int:
        """The length in nanoseconds; 0 while the end is unknown."""
        return max(0, (self.end or self.start) - self.start)

    def walk_up(self) -> Iterator[SpanNode]:
        """Yield the spans above, the nearest first."""
        node = self.parent
        while node is not None:
            yield node
            node = node.parent


def order_spans_by_tree(spans: Mapping[str, EntityFacts], session: str = "") -> list[SpanNode]:
    """Return the spans with their kinds, each after all spans above it."""
    nodes = sorted(
        (SpanNode(id, facts) for id, facts in spans.items()), key=lambda node: (node.start, node.id)
    )
    _link_nodes(nodes)
    _move_agents_below_calls(nodes)
    _move_steps_below_agents(nodes)
    ordered = _order_from_top(nodes)
    for node in reversed(ordered):
        for child in node.children:
            node.has_agent = node.has_agent or child.has_agent or child.role in _AGENTS
            node.has_work = node.has_work or child.has_work or child.role in _WORK
            node.has_usage = node.has_usage or (child.has_usage and node.role is SpanRole.MODEL)
    parallel_roots = _find_parallel_roots(nodes)
    beside = _group_siblings(nodes)
    for node in ordered:
        _resolve_node(node, beside[_get_group(node)], parallel_roots)
        if node.role is SpanRole.RUN and node.thread != session:
            node.kind = SpanKind.TASK
    return ordered


def overlap(one: SpanNode, other: SpanNode) -> bool:
    """Return whether two spans ran at the same time for more than a hundredth of the shorter."""
    if one.end is None or other.end is None:
        # An open span runs until now.
        return (one.end is None or one.end > other.start) and (other.end is None or other.end > one.start)
    common = min(one.end, other.end) - max(one.start, other.start)
    return common > min(one.length, other.length) // _OVERLAP_SHARE and common > 0


def _to_role(word: str | None) -> SpanRole:
    try:
        return SpanRole(word or SpanRole.LINK)
    except ValueError:
        return SpanRole.LINK


def _link_nodes(nodes: list[SpanNode]) -> None:
    by_id = {node.id: node for node in nodes}
    for node in nodes:
        node.parent = by_id.get(get_text(node.facts, fact_fields.PARENT) or "")
    safe: set[str] = set()
    for node in nodes:
        path: dict[str, SpanNode] = {}
        at: SpanNode | None = node
        while at is not None and at.id not in safe and at.id not in path:
            path[at.id] = at
            at = at.parent
        if at is not None and at.id in path:
            # Parents that form a ring have no top: the earliest of them, which is walked first, becomes it.
            node.parent = None
        safe.update(path)
    for node in nodes:
        if node.parent is not None:
            node.parent.children.append(node)


def _move_node(node: SpanNode, parent: SpanNode) -> None:
    if node.parent is not None:
        node.parent.children.remove(node)
    node.parent = parent
    parent.children.append(node)


def _is_same_interval(one: SpanNode, other: SpanNode) -> bool:
    if one.end is None or other.end is None:
        return False
    slack = max(_SLACK, max(one.length, other.length) // _SLACK_SHARE)
    return abs(one.start - other.start) <= slack and abs(one.end - other.end) <= slack


def _fills(node: SpanNode, call: SpanNode) -> bool:
    """Return whether a span lies in a call, give or take the slack, and fills most of it."""
    if node.end is None or call.end is None:
        return False
    lies_inside = call.start - _SLACK <= node.start and node.end <= call.end + _SLACK
    return lies_inside and node.length >= call.length * _FILL_SHARE


def _move_agents_below_calls(nodes: list[SpanNode]) -> None:
    """Move each agent that no call contains below the call of its name and interval, if there is such a call.

    Some instrumentations report a called agent beside its caller, which then seems to work beside it.
    """
    calls: dict[str, list[SpanNode]] = {}
    for node in nodes:
        if node.role is SpanRole.TOOL and node.name and not node.children:
            calls.setdefault(node.name, []).append(node)
    if not calls:
        return
    for node in nodes:
        if node.role is not SpanRole.AGENT or node.is_root or node.name not in calls:
            continue
        if any(each.role is SpanRole.TOOL for each in node.walk_up()):
            continue
        for call in calls[node.name]:
            if _fills(node, call) and node not in call.walk_up() and not call.children:
                _move_node(node, call)
                break


def _move_steps_below_agents(nodes: list[SpanNode]) -> None:
    """Move each step below the childless agent beside it that has its name and interval."""
    for node in nodes:
        if node.role not in _STEPS or node.parent is None or not node.name:
            continue
        for agent in node.parent.children:
            if (
                agent.role is SpanRole.AGENT
                and agent.name == node.name
                and not agent.children
                and _is_same_interval(agent, node)
            ):
                _move_node(node, agent)
                break


def _order_from_top(nodes: list[SpanNode]) -> list[SpanNode]:
    ordered: list[SpanNode] = []
    waiting = [node for node in reversed(nodes) if node.parent is None]
    while waiting:
        node = waiting.pop()
        ordered.append(node)
        waiting.extend(reversed(node.children))
    return ordered


def _get_group(node: SpanNode) -> str:
    return node.parent.id if node.parent is not None else (get_text(node.facts, fact_fields.PARENT) or "")


def _group_siblings(nodes: list[SpanNode]) -> dict[str, list[SpanNode]]:
    """Return the spans by parent; a parent that has not arrived counts too."""
    groups: dict[str, list[SpanNode]] = {}
    for node in nodes:
        groups.setdefault(_get_group(node), []).append(node)
    return groups


def _find_parallel_roots(nodes: list[SpanNode]) -> set[str]:
    """Return the outermost agents that ran side by side: they are tasks of one run and no turns."""
    roots = [node for node in nodes if node.is_root and node.parent is None and node.role in _TOP_ROLES]
    parallel: set[str] = set()
    latest: SpanNode | None = None
    # Sorted by start: a root that overlaps an earlier one overlaps the one that ends last.
    for node in roots:
        if latest is not None and overlap(latest, node):
            parallel |= {latest.id, node.id}
        if latest is None or (latest.end or 0) < (node.end or 0):
            latest = node
    return parallel


def _resolve_node(node: SpanNode, beside: list[SpanNode], parallel_roots: set[str]) -> None:
    """Set the kind of a span and the entity above it, after those of all spans above it."""
    parent = node.parent
    if parent is not None:
        node.above = parent if parent.kind is not SpanKind.LINK else parent.above
        node.phase = parent.name if parent.role is SpanRole.PHASE else parent.phase
    node.kind = _find_kind(node, beside, parallel_roots)
    above = node.above
    if above is not None and _reports_again(node, above, beside):
        node.kind = SpanKind.LINK
        above.merged.append(node)


def _find_kind(node: SpanNode, beside: list[SpanNode], parallel_roots: set[str]) -> SpanKind:
    role, above = node.role, node.above
    if role is SpanRole.MODEL:
        return SpanKind.LINK if _prepares_call(node, beside) else SpanKind.MODEL
    if role not in _TOP_ROLES:
        return _KIND_OF_ROLE.get(role, SpanKind.LINK)
    if node.id in parallel_roots:
        return SpanKind.TASK
    is_top_workflow = role is SpanRole.WORKFLOW and (above is None or above.kind is SpanKind.SESSION)
    if node.is_root or is_top_workflow:
        return SpanKind.TURN
    is_task = role is SpanRole.AGENT or _is_delegated_step(node, beside)
    return SpanKind.TASK if is_task else SpanKind.LINK


_KIND_OF_ROLE = {
    SpanRole.SESSION: SpanKind.SESSION,
    SpanRole.TURN: SpanKind.TURN,
    SpanRole.RUN: SpanKind.TURN,
    SpanRole.TASK: SpanKind.TASK,
    SpanRole.UNIT: SpanKind.TASK,
    SpanRole.TOOL: SpanKind.TOOL,
}


def _prepares_call(node: SpanNode, beside: list[SpanNode]) -> bool:
    """Return whether a model's span is short and has neither usage nor error, while one beside it has."""
    if node.end is None or node.length > _NO_CALL or _was_answered(node):
        return False
    return any(_was_answered(each) for each in beside if each.role is SpanRole.MODEL)


def _was_answered(node: SpanNode) -> bool:
    """Return whether a model's span, or one below it, has usage or an error."""
    if node.has_usage or get_text(node.facts, fact_fields.OUTCOME) not in {None, Outcome.SUCCESS}:
        return True
    return any(_was_answered(child) for child in node.children if child.role is SpanRole.MODEL)


def _is_delegated_step(node: SpanNode, beside: list[SpanNode]) -> bool:
    """Return whether a step is a task: it ran beside another step or agent, or works inside a tool call.

    Example: the graph's nodes ``architect`` 0 to 6 s and ``writer`` 0 to 9 s are tasks; a node ``join`` from
    9 to 9.1 s, and the step ``tools`` around a single tool call, are not.
    """
    if _is_wrapper(node):
        return False
    if node.above is not None and node.above.kind is SpanKind.TOOL and node.has_work:
        return True
    rivals = [
        each
        for each in beside
        if each is not node and (each.role in _STEPS or each.role in _AGENTS) and overlap(node, each)
    ]
    # A step of no length beside a long step does not make the long step parallel work.
    rivals = [each for each in rivals if each.has_work or each.length * _IDLE_STEP_SHARE >= node.length]
    if not rivals:
        return False
    return node.has_work or node.length * _IDLE_STEP_SHARE >= max(each.length for each in rivals)


def _is_wrapper(node: SpanNode) -> bool:
    """Return whether a step only wraps a single agent or tool call, perhaps through further steps."""
    at = node
    while True:
        inside = [child for child in at.children if child.role is not SpanRole.LINK]
        if len(inside) != 1:
            return False
        (at,) = inside
        if at.length < node.length * _COVER_SHARE:
            return False
        if at.role in _AGENTS or at.role is SpanRole.TOOL:
            return True
        if at.role not in _STEPS:
            return False


def _reports_again(node: SpanNode, above: SpanNode, beside: list[SpanNode]) -> bool:
    """Return whether a span reports the entity above it once more."""
    if node.kind is SpanKind.MODEL:
        return above.kind is SpanKind.MODEL
    if node.kind is SpanKind.TOOL:
        ids = {get_text(node.facts, fact_fields.CALL), get_text(above.facts, fact_fields.CALL)} - {None}
        return above.kind is SpanKind.TOOL and above.name == node.name and len(ids) <= 1
    if node.role is not SpanRole.AGENT or node.kind is not SpanKind.TASK or node.name is None:
        return False
    if above.role not in _AGENTS or above.name != node.name:
        return False
    # An agent may start several of its kind at once: these are workers, and no reports of itself.
    return not any(
        each is not node and each.role is SpanRole.AGENT and each.name == node.name and overlap(each, node)
        for each in beside
    )
