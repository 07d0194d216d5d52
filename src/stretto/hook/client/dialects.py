"""Translate the hook payloads of other agents into the shape of Claude Code's hooks.

``client``, in the same folder, loads this module only for a hook of another agent. ``translate_payload``
renames fields, hooks and tools by a table for each agent. The client still decides which values are recorded.
The changes that this module adds itself are fixed words, a time and a keyed hash. Like the client, it
imports nothing that loads slowly.

The payloads are described in developers.openai.com/codex/hooks, docs.factory.ai/harness/hooks, the Gemini
CLI's docs/hooks/reference.md, GitHub's hooks reference for Copilot, Qwen Code's and cursor.com/docs/hooks.
The clients themselves were run against a scripted model, but for Cursor. docs/sources.md
lists the data that each agent sends. A value that an agent does not send is left out, never guessed.
"""

try:
    import posix
except ImportError:
    # Windows has no such module; os offers the same calls but loads more slowly.
    import os as posix  # type: ignore[no-redef]  # the same name for both modules

TYPE_CHECKING = False  # importing typing would cost as much as starting the interpreter
if TYPE_CHECKING:
    from collections.abc import Callable

Fields = dict[str, object]
"""A payload, fields of an event, or its attributes."""

LONGEST_DELAY = 15 * 60 * 10**9
"""Nanoseconds from the agent's timestamp to the client's start. Agents run hooks one after another, each up
to its limit. A longer delay comes from another clock or time zone; zones differ by at least 15 minutes."""

DELEGATING = ("Agent", "Task")
"""Claude Code's names of the tool that starts a subagent."""


class Dialect:
    """The differences of an agent's hooks from Claude Code's.

    ``events``: hook → Claude Code's hook of the same meaning. ``fields``: Claude Code's field → the agent's
    name. ``tools``: tool → Claude Code's name. ``order``: field of a delegating call's input → the agent's
    name. ``paired``: the start and end of a call share no id. ``prepare`` finds hook and session where they
    are not plain fields. ``refine`` handles all other differences.
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
        prepare: "Callable[[Fields, str], None] | None" = None,
    ) -> None:
        self.events = events
        self.refine = refine
        self.fields = fields or {}
        self.tools = tools or {}
        self.order = order or {}
        self.paired = paired
        self.prepare = prepare


def translate_payload(
    agent: str, payload: Fields, now: int, key: bytes, folder: str = ""
) -> tuple[object, Fields, Fields, Fields]:
    """Return Claude Code's name of the hook, the translated payload, event changes and attribute changes.

    An agent outside DIALECTS sends Claude Code's shape already (VS Code, our extensions of Pi and opencode).
    ``now`` is the arrival in nanoseconds since the epoch. ``key`` is the secret for the hash that pairs a
    call's start with its end. ``folder`` holds the client's notes; without it nothing is noted.
    """
    event: Fields = {"source": agent}
    attributes: Fields = {}
    sent_at = _parse_timestamp(payload.get("timestamp"))
    if sent_at is not None and 0 <= now - sent_at < LONGEST_DELAY:
        event["time"] = sent_at
    dialect = DIALECTS.get(agent)
    if dialect is None:
        return payload.get("hook_event_name"), payload, event, attributes
    common = dict(payload)
    for field, name in dialect.fields.items():
        if common.get(field) is None:
            common[field] = payload.get(name)
    if dialect.prepare is not None:
        dialect.prepare(common, folder)
    native = common.get("hook_event_name")
    hook = dialect.events.get(native) if type(native) is str else None
    if hook is None:
        return None, common, event, attributes
    if dialect.paired and hook in CALLS:
        attributes["pair"] = _hash_call(key, common)
    hook = dialect.refine(hook, common, event, attributes)
    _translate_delegation(dialect, hook, common, attributes)
    return hook, common, event, attributes


CALLS = ("PreToolUse", "PostToolUse", "PostToolUseFailure")


def _translate_delegation(dialect: Dialect, hook: str, payload: Fields, attributes: Fields) -> None:
    """Translate a delegating call; mark the end of a call whose agent goes on in the background."""
    tool = payload.get("tool_name")
    if type(tool) is str:
        payload["tool_name"] = tool = dialect.tools.get(tool, tool)
    if hook not in CALLS or type(tool) is not str or tool not in DELEGATING:
        return
    order = dict(_read_object(payload.get("tool_input")))
    for field, name in dialect.order.items():
        order[field] = order.get(name)
    if any(order.get(flag) is True for flag in ("run_in_background", "is_background")) or (
        order.get("mode") == "background"
    ):
        order["run_in_background"] = True
        if hook == "PostToolUse":
            attributes["status"] = "async_launched"
    payload["tool_input"] = order


# The other differences, agent by agent.


def _refine_codex(hook: str, payload: Fields, event: Fields, attributes: Fields) -> str:
    if hook == "UserPromptSubmit" and payload.get("agent_id") is not None:
        return "SubagentStart"  # a subagent's prompt is not a turn of the user
    is_delegation = str(payload.get("tool_name")).endswith("spawn_agent")
    if payload.get("hook_event_name") == "Interrupt":
        event["outcome"] = "cancelled"
    elif hook == "PostToolUse":
        event["outcome"] = None  # Codex also calls this hook for a failed command, without saying so
        if is_delegation:
            _name_started_agent(payload, attributes)
    elif hook == "PreToolUse" and is_delegation:
        order = _read_object(payload.get("tool_input"))
        attributes["agent"] = _read_label(order.get("agent_type")) or "default"
        attributes["description"] = _read_label(order.get("task_name"))
    elif hook == "SubagentStart":
        _place_agent(payload, event, attributes)
    elif hook == "SubagentStop":
        parent = _read_thread_id(payload.get("transcript_path"))
        if parent not in (payload.get("session_id"), payload.get("agent_id")):
            payload["parent_agent_id"] = parent
    return hook


def _name_started_agent(payload: Fields, attributes: Fields) -> None:
    """Name the agent that a call has started: by its id (multi-agent v1), or by its path (v2)."""
    response = payload.get("tool_response")
    text = response if type(response) is str else _spell_sorted(response).replace("'", '"')
    path = _read_agent_path(_find_text(text, "task_name"))
    payload["tool_response"] = {"agentId": _read_agent_id(payload), "status": "async_launched"}
    if path is not None:
        attributes["task"], attributes["status"] = path, "async_launched"


def _place_agent(payload: Fields, event: Fields, attributes: Fields) -> None:
    """Add an agent's path, name and parent, which only the first line of its rollout tells (v2)."""
    head = _read_head(payload.get("transcript_path"))
    path, parent = _read_agent_path(_find_text(head, "agent_path")), _find_text(head, "parent_thread_id")
    attributes["alias"] = path
    attributes["description"] = _read_label(path.rpartition("/")[2]) if path else None
    if parent and parent != payload.get("session_id"):
        event["parent"] = parent


def _read_agent_id(payload: Fields) -> object:
    """Return the agent's id from the answer of a tool that starts agents: an object, or an object as text."""
    response = payload.get("tool_response")
    if type(response) is str:
        return response.partition('"agent_id":"')[2].partition('"')[0]
    return _read_object(response).get("agent_id")


def _read_thread_id(path: object) -> str | None:
    """Return the thread id in the path of a rollout file: ``rollout-<time>-<36 characters>.jsonl``."""
    name = path.replace("\\", "/").rpartition("/")[2] if type(path) is str else ""
    thread = name.removesuffix(".jsonl")[-36:]
    return thread if name.startswith("rollout-") and thread.count("-") == 4 else None  # noqa: PLR2004  a UUID


HEAD = 65536  # bytes read of a rollout; its first line names the thread


def _read_head(path: object) -> str:
    """Return the beginning of a rollout file, or nothing: of the file only the thread's names are used."""
    if type(path) is not str or not path.endswith(".jsonl"):
        return ""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | getattr(posix, "O_NONBLOCK", 0))
    except OSError:
        return ""
    try:
        return posix.read(descriptor, HEAD).decode("utf-8", "replace").partition("\n")[0]
    except OSError:
        return ""
    finally:
        posix.close(descriptor)


def _find_text(text: object, name: str) -> str | None:
    """Return the text of the first member of this name in a piece of JSON, whole or cut."""
    if type(text) is not str:
        return None
    rest = text.partition(f'"{name}"')[2].lstrip(" :")
    return rest[1:].partition('"')[0] or None if rest.startswith('"') else None


def _read_agent_path(path: str | None) -> str | None:
    """Return the path of an agent (``/root/beta/gamma``), or None for any other text."""
    if path is None or not path.startswith("/") or len(path) > LABEL:
        return None
    bare = path.replace("/", "").replace("_", "").replace("-", "")
    return path if bare.isascii() and bare.isalnum() else None


LABEL = 120  # characters of a name


def _read_label(value: object) -> str | None:
    """Return a short name that the model gave a task or an agent."""
    return value[:LABEL] if type(value) is str and value else None


def _refine_droid(hook: str, payload: Fields, event: Fields, attributes: Fields) -> str:
    if hook == "PostToolUse" and payload.get("tool_name") == "Execute":
        response = payload.get("tool_response")
        tail = response[-80:] if type(response) is str else ""
        code = tail.rpartition("[Process exited with code ")[2].partition("]")[0]
        if not code.isdigit():
            event["outcome"] = None
        elif code.strip("0"):
            event["outcome"], attributes["error"] = "failure", "exit_code"
    order = _read_object(payload.get("tool_input"))
    if payload.get("tool_name") == "Task":
        # A task that the call does not wait for goes on after the call's end.
        payload["tool_input"] = {**order, "run_in_background": order.get("await") is not True}
    elif order.get("fireAndForget") is True:
        payload["tool_input"] = {**order, "run_in_background": True}
    return hook


TAIL = 400  # characters at the end of a result in which an exit code stands


def _refine_gemini(hook: str, payload: Fields, event: Fields, attributes: Fields) -> str:
    if hook != "PostToolUse":
        return hook
    response = _read_object(payload.get("tool_response"))
    text = _join_texts(response.get("llmContent"))
    if response.get("error"):
        event["outcome"] = "failure"
    elif payload.get("tool_name") == "run_shell_command":
        # The code stands behind the output, and only if it is not 0.
        code = text[-TAIL:].rpartition("\nExit Code: ")[2].partition("\n")[0]
        if code.isdigit() and code.strip("0"):
            event["outcome"], attributes["error"] = "failure", "exit_code"
    elif payload.get("tool_name") == "invoke_agent":
        reason = text[:TAIL].partition("Termination Reason: ")[2].partition("\n")[0]
        if reason not in ("", "GOAL"):
            event["outcome"] = "cancelled" if reason == "ABORTED" else "failure"
        elif not reason and text.startswith("Subagent '") and "' failed" in text[:TAIL]:
            event["outcome"] = "failure"
    return hook


def _join_texts(content: object) -> str:
    """Return the text of a result: plain, or that of its parts."""
    if type(content) is str:
        return content
    parts = [_read_object(part).get("text") for part in content] if type(content) is list else []
    return "\n".join([part for part in parts if type(part) is str])


NOTES = "copilot-agents"
"""The file that notes the session of each nested agent, ``agent session`` a line."""
NOTES_LIMIT = 65536  # bytes


def _prepare_copilot(payload: Fields, folder: str) -> None:
    """Name the hook, and the session in which an agent works: agents call their own id their session."""
    if payload.get("hook_event_name") is None and "agentName" in payload and "agent_id" in payload:
        payload["hook_event_name"] = "SubagentStart"  # this hook has camel case whatever it is registered as
    agent, parent = payload.get("agent_id"), payload.get("parent_agent_id")
    if type(agent) is not str or type(parent) is not str:
        return
    path = str(payload.get("transcript_path") or payload.get("transcriptPath") or "").replace("\\", "/")
    root: object = path.partition("/session-state/")[2].partition("/")[0]
    if not root:
        root = _find_note(folder, agent) or parent
    payload["session_id"] = root
    payload["parent_agent_id"] = None if parent == root else parent
    if payload.get("hook_event_name") == "SubagentStart" and parent != root:
        _add_note(folder, f"{agent} {root}\n")


def _find_note(folder: str, agent: str) -> str | None:
    """Return the session that was noted for an agent."""
    try:
        descriptor = posix.open(f"{folder}/{NOTES}", posix.O_RDONLY)
    except OSError:
        return None
    try:
        text = posix.read(descriptor, 2 * NOTES_LIMIT).decode("ascii", "replace")
    finally:
        posix.close(descriptor)
    return text.partition(f"{agent} ")[2].partition("\n")[0] or None


def _add_note(folder: str, line: str) -> None:
    """Note an agent's session; a full file begins anew."""
    if not folder or not line.isascii():
        return
    path = f"{folder}/{NOTES}"
    try:
        is_full = posix.stat(path).st_size > NOTES_LIMIT  # noqa: PTH116  pathlib costs
    except OSError:
        is_full = False
    flags = posix.O_WRONLY | posix.O_CREAT | (posix.O_TRUNC if is_full else posix.O_APPEND)
    try:
        descriptor = posix.open(path, flags, 0o600)
    except OSError:
        return
    try:
        posix.write(descriptor, line.encode("ascii"))
    finally:
        posix.close(descriptor)


def _translate_copilot_error(payload: Fields, event: Fields, attributes: Fields) -> str:
    if payload.get("agent_id") is None:
        return "Notification"
    # No other hook reports the end of an agent that failed; one that goes on stops later.
    event["outcome"], attributes["uncertain"] = "failure", True
    return "SubagentStop"


def _judge_copilot_result(payload: Fields, event: Fields, attributes: Fields) -> None:
    response = _read_object(payload.get("tool_result"))
    result = response.get("result_type", "success")
    if result != "success":
        event["outcome"] = "failure" if result == "failure" else None
        attributes["wrote"] = None
    if result not in ("success", "failure"):
        attributes["test_framework"] = None  # the call was refused and ran nothing
    text = response.get("text_result_for_llm")
    if payload.get("tool_name") == "Bash" and type(text) is str:
        code = text[-TAIL:].rpartition("completed with exit code ")[2].partition(">")[0]
        if code.isdigit() and code.strip("0"):
            event["outcome"], attributes["error"] = "failure", "exit_code"


def _refine_copilot(hook: str, payload: Fields, event: Fields, attributes: Fields) -> str:
    if payload.get("hook_event_name") == "ErrorOccurred":
        return _translate_copilot_error(payload, event, attributes)
    if hook == "PostToolUse":
        _judge_copilot_result(payload, event, attributes)
    elif payload.get("agent_id") is not None:
        if hook == "UserPromptSubmit":
            return "SubagentStart"  # an agent's prompt is not a turn of the user, nor its stop the turn's end
        hook = "SubagentStop" if hook == "Stop" else hook
        if hook == "SubagentStart":
            event["parent"] = payload.get("parent_agent_id")
        elif hook == "SubagentStop" and payload.get("stop_reason") != "end_turn":
            event["outcome"] = None
    return hook


def _refine_qwen(hook: str, payload: Fields, _: Fields, attributes: Fields) -> str:
    call = payload.get("tool_call_id")
    if type(call) is str:
        payload["tool_use_id"] = call  # tool_use_id is an internal id that no other channel has
    if hook == "UserPromptSubmit" and not payload.get("prompt"):
        return "Notification"  # the results of a round of tools, sent to the model
    if hook == "PostToolBatch":
        calls = payload.get("tool_calls")
        payload["tool_calls"] = [
            entry
            for entry in (calls if type(calls) is list else [])
            if _read_object(_read_object(entry).get("tool_response")).get("execution_status") != "not_started"
        ]
    elif hook == "SubagentStart":
        agent, kind = payload.get("agent_id"), payload.get("agent_type")
        if type(agent) is str and agent.startswith(f"{kind}-"):
            payload["delegated_by"] = agent[len(f"{kind}-") :]
    elif hook == "PostToolUse" and payload.get("tool_name") == "agent":
        answer = _read_object(payload.get("tool_response"))
        shown = _read_object(answer.get("returnDisplay")) or _read_object(answer.get("result_display"))
        kind, is_ready = shown.get("subagentName"), shown.get("subagentSessionReady") is True
        payload["tool_response"] = {
            "agentId": f"{kind}-{call}" if is_ready and type(kind) is str else None,
            "status": "async_launched" if shown.get("executionMode") == "background" else None,
        }
        if shown.get("executionMode") == "background":
            attributes["status"] = "async_launched"
    elif hook in ("Stop", "SubagentStop"):
        tasks = payload.get("background_tasks")
        payload["background_tasks"] = [
            {**_read_object(task), "type": "subagent"} for task in (tasks if type(tasks) is list else [])
        ]
    return hook


_ENDED = {"completed": "success", "error": "failure", "aborted": "cancelled"}
"""Cursor's word for the end of a turn or of an agent's run → outcome."""


def _refine_cursor(hook: str, payload: Fields, event: Fields, attributes: Fields) -> str:
    roots = payload.get("workspace_roots")
    if type(roots) is list and roots:
        payload["cwd"] = roots[0]
    if hook == "PostToolUseFailure":
        failure = payload.get("failure_type")
        if failure == "permission_denied":
            return "PermissionDenied"
        if failure == "timeout":
            attributes["error"] = "timeout"
    elif hook in ("Stop", "SubagentStop"):
        status = payload.get("status")
        event["outcome"] = _ENDED.get(status) if type(status) is str else None
    return hook


def _keep_all(*hooks: str) -> dict[str, str]:
    return {hook: hook for hook in hooks}


DIALECTS: dict[str, Dialect] = {
    "codex": Dialect(
        events={
            **_keep_all("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PermissionRequest"),
            **_keep_all("PostToolUse", "SubagentStart", "SubagentStop", "Stop", "PreCompact", "PostCompact"),
            "Interrupt": "Stop",
        },
        fields={"prompt_id": "turn_id"},
        refine=_refine_codex,
    ),
    # SubagentStop names no agent; the end of the waiting call reports the same end.
    "droid": Dialect(
        events=_keep_all("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse",
                         "Stop", "Notification", "PreCompact"),
        fields={"session_id": "sessionId", "hook_event_name": "hookEventName"},
        paired=True,
        refine=_refine_droid,
    ),
    # PreCompress is left out: it runs before each request, whether or not anything is compressed.
    "gemini-cli": Dialect(
        events={
            **_keep_all("SessionStart", "SessionEnd", "Notification"),
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
    "copilot-cli": Dialect(
        events={
            **_keep_all("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse",
                        "PostToolUseFailure", "SubagentStart", "SubagentStop", "Stop", "Notification",
                        "PreCompact"),
            "ErrorOccurred": "SubagentStop",
        },
        fields={"session_id": "sessionId"},
        # Hooks registered by Claude Code's names report its tools; these are the agent's names of them.
        tools={"task": "Agent", "Bash": "bash", "Read": "view", "Glob": "glob", "Grep": "grep",
               "Edit": "edit", "Write": "create", "WebFetch": "web_fetch"},
        order={"subagent_type": "agent_type"},
        paired=True,
        prepare=_prepare_copilot,
        refine=_refine_copilot,
    ),
    "qwen-code": Dialect(
        events=_keep_all("SessionStart", "SessionEnd", "UserPromptSubmit", "PreToolUse", "PostToolUse",
                         "PostToolUseFailure", "PostToolBatch", "SubagentStart", "SubagentStop", "Stop",
                         "StopFailure", "Notification", "PermissionRequest", "PreCompact"),
        tools={"agent": "Agent"},
        refine=_refine_qwen,
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
"""Agent → its dialect. The installer registers exactly the hooks named here."""


# Substitutes for a missing id and readers of timestamps.


def _hash_call(key: bytes, payload: Fields) -> str | None:
    """Return 16 hex digits that the start and end of a call share; equal calls share them too.

    They are a BLAKE2b hash of session, agent, tool and input, keyed with this installation's secret. Without
    the secret, a reader of the event cannot find the input by trial. Return None without a secret, and for a
    call that has an id.
    """
    if not key or payload.get("tool_use_id") is not None:
        return None
    try:
        from _blake2 import blake2b  # noqa: PLC0415  hashlib loads OpenSSL, which takes as long as a start
    except ImportError:
        from hashlib import blake2b  # noqa: PLC0415  every interpreter has this module
    try:
        fields = ["session_id", "tool_name", "tool_input"]
        if payload.get("agent_id") is not None:
            fields.append("agent_id")  # two agents of a session may make the same call at once
        text = _spell_sorted([payload.get(field) for field in fields])
    except RecursionError:
        return None
    return blake2b(text.encode(), digest_size=8, key=key).hexdigest()


def _spell_sorted(value: object) -> str:
    """Return the same text for equal values: the members of objects are sorted."""
    if type(value) is dict:
        return "{" + ",".join([repr(name) + ":" + _spell_sorted(value[name]) for name in sorted(value)]) + "}"
    if type(value) is list:
        return "[" + ",".join([_spell_sorted(item) for item in value]) + "]"
    return repr(value)


def _parse_timestamp(stamp: object) -> int | None:
    """Return nanoseconds since the epoch from milliseconds or ISO 8601 (``2026-09-21T14:02:11.512Z``)."""
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
    """Return the days since 1970-01-01 in the Gregorian calendar, counting years from March."""
    year -= month < 3  # noqa: PLR2004
    leaps = year // 4 - year // 100 + year // 400
    return 365 * year + leaps + (153 * ((month + 9) % 12) + 2) // 5 + day - 719_469


def _read_object(value: object) -> Fields:
    return value if type(value) is dict else {}
