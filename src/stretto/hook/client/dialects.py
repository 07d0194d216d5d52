"""What other agents' hooks say differently: for each a table of differences over Claude Code's shape.

``client``, the file beside this one, loads it only where a hook was started for another agent. ``translate_payload``
puts a payload into the common words; what of it may pass is still the client's to say. Beside these words
stand only fixed ones, a time and a keyed hash. Like the client this imports nothing that costs.

The payloads are those of developers.openai.com/codex/hooks, docs.factory.ai/harness/hooks, the Gemini CLI's
docs/hooks/reference.md, GitHub's hooks reference for Copilot and cursor.com/docs/hooks. docs/sources.md
tables what each of them can tell. What an agent does not say is left out, never guessed.
"""

TYPE_CHECKING = False  # as typing would say, whose import costs as much as starting the interpreter
if TYPE_CHECKING:
    from collections.abc import Callable

Fields = dict[str, object]
"""A payload, or members of an event, or of its attributes."""

LONGEST_WAY = 15 * 60 * 10**9
"""Nanoseconds from the agent's stamp to our start. Agents run hooks one after another, each up to its limit;
from here on it is no wait but a time zone, which differ by 15 minutes at least, or another clock."""

DELEGATING = ("Agent", "Task")
"""The common names of the tool that starts a subagent."""


class Dialect:
    """The differences of one agent's hooks.

    ``events``: hook → Claude Code's hook of the same meaning. ``fields``: common field → the agent's names
    for it. ``tools``: tool → its common name. ``order``: field of a delegating call's input → the agent's
    name for it. ``paired``: start and end of a call share no id. ``refine`` settles the rest.
    """

    def __init__(
        self,
        *,
        events: dict[str, str],
        refine: "Callable[[str, Fields, Fields, Fields], str]",
        fields: dict[str, str] | None = None,
        tools: dict[str, str] | None = None,
        order: dict[str, str] | None = None,
        paired: bool = False,
    ) -> None:
        self.events = events
        self.refine = refine
        self.fields = fields or {}
        self.tools = tools or {}
        self.order = order or {}
        self.paired = paired


def translate_payload(
    agent: str, payload: Fields, now: int, key: bytes
) -> tuple[object, Fields, Fields, Fields]:
    """Return the hook's common name, the payload in common words, and what to set in event and attributes.

    An agent that is not in DIALECTS speaks the common shape as it is (VS Code, Qwen Code). ``now`` is the
    arrival in nanoseconds since the epoch; ``key`` makes the hash that pairs a call's start with its end.
    """
    said: Fields = {"source": agent}
    told: Fields = {}
    sent = _parse_timestamp(payload.get("timestamp"))
    if sent is not None and 0 <= now - sent < LONGEST_WAY:
        said["time"] = sent
    dialect = DIALECTS.get(agent)
    if dialect is None:
        return payload.get("hook_event_name"), payload, said, told
    common = dict(payload)
    for field, name in dialect.fields.items():
        if common.get(field) is None:
            common[field] = payload.get(name)
    native = common.get("hook_event_name")
    hook = dialect.events.get(native) if type(native) is str else None
    if hook is None:
        return None, common, said, told
    if dialect.paired and hook in CALLS:
        told["pair"] = _hash_call(key, common)
    hook = dialect.refine(hook, common, said, told)
    _translate_delegation(dialect, hook, common, told)
    return hook, common, said, told


CALLS = ("PreToolUse", "PostToolUse", "PostToolUseFailure")


def _translate_delegation(dialect: Dialect, hook: str, payload: Fields, told: Fields) -> None:
    """Put a delegating call into common words; one that leaves its agent in the background ends before it."""
    tool = payload.get("tool_name")
    if type(tool) is str:
        payload["tool_name"] = tool = dialect.tools.get(tool, tool)
    if hook not in CALLS or tool not in DELEGATING:
        return
    order = dict(_read_object(payload.get("tool_input")))
    for field, name in dialect.order.items():
        order[field] = order.get(name)
    if any(order.get(flag) is True for flag in ("run_in_background", "is_background")) or (
        order.get("mode") == "background"
    ):
        order["run_in_background"] = True
        if hook == "PostToolUse":
            told["status"] = "async_launched"
    payload["tool_input"] = order


# The rest, agent by agent.


def _refine_codex(hook: str, payload: Fields, said: Fields, _: Fields) -> str:
    if hook == "UserPromptSubmit" and payload.get("agent_id") is not None:
        return "SubagentStart"  # what the agent is asked, each time it runs, is no turn of the user's
    if payload.get("hook_event_name") == "Interrupt":
        said["outcome"] = "cancelled"
    elif hook == "PostToolUse":
        said["outcome"] = None  # it runs for a command that failed too, and does not say which
        if str(payload.get("tool_name")).endswith("spawn_agent"):
            payload["tool_response"] = {"agentId": _read_agent_id(payload), "status": "async_launched"}
    elif hook == "SubagentStop":
        parent = _read_thread_id(payload.get("transcript_path"))
        if parent not in (payload.get("session_id"), payload.get("agent_id")):
            payload["parent_agent_id"] = parent
    return hook


def _read_agent_id(payload: Fields) -> object:
    """Return the id in the answer of a tool that starts an agent: an object, or one spelt as text."""
    response = payload.get("tool_response")
    if type(response) is str:
        return response.partition('"agent_id":"')[2].partition('"')[0]
    return _read_object(response).get("agent_id")


def _read_thread_id(path: object) -> str | None:
    """Return the thread whose rollout a path names: ``rollout-<time>-<36 characters>.jsonl``."""
    name = path.replace("\\", "/").rpartition("/")[2] if type(path) is str else ""
    thread = name.removesuffix(".jsonl")[-36:]
    return thread if name.startswith("rollout-") and thread.count("-") == 4 else None  # noqa: PLR2004  a UUID


def _refine_droid(hook: str, payload: Fields, said: Fields, told: Fields) -> str:
    if hook == "PostToolUse" and payload.get("tool_name") == "Execute":
        response = payload.get("tool_response")
        tail = response[-80:] if type(response) is str else ""
        code = tail.rpartition("[Process exited with code ")[2].partition("]")[0]
        if not code.isdigit():
            said["outcome"] = None
        elif code.strip("0"):
            said["outcome"], told["error"] = "failure", "exit_code"
    return hook


def _refine_gemini(hook: str, payload: Fields, said: Fields, _: Fields) -> str:
    if hook == "PostToolUse":
        if _read_object(payload.get("tool_response")).get("error"):
            said["outcome"] = "failure"
        elif payload.get("tool_name") == "run_shell_command":
            said["outcome"] = None  # how the command ended stands in its output only
    return hook


def _refine_copilot(hook: str, payload: Fields, said: Fields, told: Fields) -> str:
    if hook == "PostToolUse":
        result = _read_object(payload.get("tool_result")).get("result_type", "success")
        if result != "success":
            said["outcome"] = "failure" if result == "failure" else None
            told["wrote"] = None
        if result not in ("success", "failure"):
            told["test_framework"] = None  # it was refused, and ran nothing
    return hook


_ENDED = {"completed": "success", "error": "failure", "aborted": "cancelled"}
"""How Cursor words the end of a turn or of an agent's run."""


def _refine_cursor(hook: str, payload: Fields, said: Fields, told: Fields) -> str:
    roots = payload.get("workspace_roots")
    if type(roots) is list and roots:
        payload["cwd"] = roots[0]
    if hook == "PostToolUseFailure":
        failure = payload.get("failure_type")
        if failure == "permission_denied":
            return "PermissionDenied"
        if failure == "timeout":
            told["error"] = "timeout"
    elif hook in ("Stop", "SubagentStop"):
        status = payload.get("status")
        said["outcome"] = _ENDED.get(status) if type(status) is str else None
    return hook


def _keep_names(*hooks: str) -> dict[str, str]:
    return {hook: hook for hook in hooks}


DIALECTS: dict[str, Dialect] = {
    "codex": Dialect(
        events={
            **_keep_names("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PermissionRequest"),
            **_keep_names("PostToolUse", "SubagentStart", "SubagentStop", "Stop", "PreCompact", "PostCompact"),
            "Interrupt": "Stop",
        },
        fields={"prompt_id": "turn_id"},
        refine=_refine_codex,
    ),
    # SubagentStop names no agent: the end of the call that waits for it says as much.
    "droid": Dialect(
        events=_keep_names("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse", "Stop",
                     "Notification", "PreCompact"),
        fields={"session_id": "sessionId", "hook_event_name": "hookEventName"},
        paired=True,
        refine=_refine_droid,
    ),
    # PreCompress runs before each request to the model, whether or not anything is compressed.
    "gemini-cli": Dialect(
        events={
            **_keep_names("SessionStart", "SessionEnd", "Notification"),
            "BeforeAgent": "UserPromptSubmit",
            "AfterAgent": "Stop",
            "BeforeTool": "PreToolUse",
            "AfterTool": "PostToolUse",
        },
        tools={"invoke_agent": "Agent"},
        order={"subagent_type": "agent_name"},
        paired=True,
        refine=_refine_gemini,
    ),
    # SubagentStop has an id that no other hook has: counted beside the call, it would be the same task twice.
    "copilot-cli": Dialect(
        events=_keep_names("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse",
                     "PostToolUseFailure", "Stop", "Notification", "PreCompact"),
        fields={"session_id": "sessionId"},
        tools={"task": "Agent"},
        order={"subagent_type": "agent_type"},
        paired=True,
        refine=_refine_copilot,
    ),
    "cursor": Dialect(
        events={
            "sessionStart": "SessionStart",
            "sessionEnd": "SessionEnd",
            "beforeSubmitPrompt": "UserPromptSubmit",
            "preToolUse": "PreToolUse",
            "postToolUse": "PostToolUse",
            "postToolUseFailure": "PostToolUseFailure",
            "subagentStart": "SubagentStart",
            "subagentStop": "SubagentStop",
            "stop": "Stop",
            "preCompact": "PreCompact",
        },
        fields={
            "session_id": "conversation_id",
            "prompt_id": "generation_id",
            "duration_ms": "duration",
            "agent_id": "subagent_id",
            "agent_type": "subagent_type",
            "delegated_by": "tool_call_id",
            "error": "error_message",
        },
        refine=_refine_cursor,
    ),
}  # fmt: skip
"""Agent → its differences. The hooks named are exactly those that are registered for it."""


# What stands in for an id and for a time.


def _hash_call(key: bytes, payload: Fields) -> str | None:
    """Return 16 hex digits that start and end of a call share, and with them every call just like it.

    A hash of session, tool and input, BLAKE2b keyed with a secret of this installation: without the secret
    nobody who reads an event, here or where it is sent on, can try out what the input may have been. None
    without a secret, and where the agent has an id of its own.
    """
    if not key or payload.get("tool_use_id") is not None:
        return None
    try:
        from _blake2 import blake2b  # noqa: PLC0415  hashlib loads OpenSSL, at the price of a whole start
    except ImportError:
        from hashlib import blake2b  # noqa: PLC0415  no interpreter lacks this one
    try:
        text = _spell_sorted([payload.get(field) for field in ("session_id", "tool_name", "tool_input")])
    except RecursionError:
        return None
    return blake2b(text.encode(), digest_size=8, key=key).hexdigest()


def _spell_sorted(value: object) -> str:
    """Return a text that is the same for equal values, whatever order an object's members came in."""
    if type(value) is dict:
        return "{" + ",".join([repr(name) + ":" + _spell_sorted(value[name]) for name in sorted(value)]) + "}"
    if type(value) is list:
        return "[" + ",".join([_spell_sorted(item) for item in value]) + "]"
    return repr(value)


def _parse_timestamp(stamp: object) -> int | None:
    """Return nanoseconds since the epoch of milliseconds, or of ISO 8601: ``2026-09-21T14:02:11.512Z``."""
    if type(stamp) is int:
        return stamp * 1_000_000
    if type(stamp) is not str or not stamp.isascii() or stamp[4::3][:5] != "--T::" or stamp[-1] != "Z":
        return None
    fraction = stamp[20:-1]
    if stamp[19:20] not in ".Z" or len(fraction) > 9:  # noqa: PLR2004  digits of a nanosecond
        return None
    parts = [stamp[0:4], stamp[5:7], stamp[8:10], stamp[11:13], stamp[14:16], stamp[17:19]]
    if not "".join([*parts, fraction]).isdigit():
        return None
    year, month, day, hour, minute, second = map(int, parts)
    days = _count_days(year, month, day)
    return (days * 86_400 + hour * 3_600 + minute * 60 + second) * 10**9 + int(f"{fraction:0<9}")


def _count_days(year: int, month: int, day: int) -> int:
    """Return days since 1970-01-01 in the Gregorian calendar; years are counted from March."""
    year -= month < 3  # noqa: PLR2004
    leaps = year // 4 - year // 100 + year // 400
    return 365 * year + leaps + (153 * ((month + 9) % 12) + 2) // 5 + day - 719_469


def _read_object(value: object) -> Fields:
    return value if type(value) is dict else {}
