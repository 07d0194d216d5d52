"""The hook client: append one event to the journal for each call of an agent's hook, and never be in its way.

Started as ``python -I -S client.py [STATE_DIR [AGENT]]`` with the hook's payload (JSON) on standard input. It
appends one line to ``<state>/journal/<UTC day>.jsonl``, prints nothing and exits with 0 whatever happens: an
agent takes another code for an error, and 2 for an order to stop. Input it cannot read becomes a ``build_reject``
event, so that a gap shows. ``start`` starts the same from its compiled form.

This file is copied to where the hooks find it and stands alone. It imports nothing beyond what the
interpreter has loaded already and one accelerator: an ordinary import costs more than all its own work. The
HTTP endpoint of the service imports it too, for ``build_record``, so that both ways in give the same bytes.

The payload's fields are those of Claude Code's hooks reference (code.claude.com/docs/en/hooks). Two files
beside this one are loaded only when they are needed: ``dialects`` translates the payloads of other agents,
``tool_results`` reads which tests a finished call ran and, as a hash, which file it wrote. Only names, ids,
types, sizes, times and outcomes pass; never a prompt, a tool's input or output, a path or a message.
"""

import sys
import time

ARRIVED = time.time_ns()  # payloads carry no time: the first moment of this process has to serve

try:
    import posix
except ImportError:
    # Windows has no such module; os offers the same calls at a higher price.
    import os as posix  # type: ignore[no-redef]  # one name for the calls wherever they come from

TYPE_CHECKING = False  # as typing would say, whose import costs as much as starting the interpreter
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Readers = dict[str, tuple[str, Callable[[object], object]]]
    Processes = Callable[[], list[str]]


def _replace_by_null(_: str) -> None:
    """Read NaN and the infinities, which are no JSON though some write them, as null."""


try:
    # The package json costs as much as starting the interpreter; its two C functions cost next to nothing.
    from _json import encode_basestring_ascii as quote
    from _json import make_scanner

    class _Scanning:
        """What the scanner asks of a decoder."""

        strict = False  # a bare control character in some tool's output must not cost the event
        object_hook = object_pairs_hook = array_hook = None
        parse_float = float
        parse_int = int
        parse_constant = _replace_by_null

    scan = make_scanner(_Scanning)  # type: ignore[arg-type]  # any object with these attributes serves
except (ImportError, AttributeError, TypeError):
    # An interpreter without the accelerator, or with one that asks for more.
    from json import JSONDecoder
    from json.encoder import encode_basestring_ascii as quote

    scan = JSONDecoder(strict=False, parse_constant=_replace_by_null).scan_once  # type: ignore[attr-defined]  # untyped

LIMIT = 64 * 1024 * 1024  # bytes of a payload; what parsing more would take, the agent's machine may not have
CHUNK = 1024 * 1024  # bytes
ID_LIMIT = 200  # characters; anything longer is no id
NAME_LIMIT = 120  # characters
WORD_LIMIT = 40  # characters
LIST_LIMIT = 256  # ids in one event; keeps a line far below what one write call takes
NUMBER_LIMIT = 3_650 * 86_400 * 10**9  # nanoseconds; ten years are no measurement
ANCESTORS = 5  # processes above this one; agents put one shell between, seldom two
HEX = "0123456789abcdef"

SHELLS = ("sh", "ash", "bash", "busybox", "dash", "fish", "ksh", "zsh")
"""What agents start hooks through: what is above one of these is looked at too."""

REAPERS = ("catatonit", "docker-init", "dumb-init", "init", "launchd", "systemd", "tini")
"""What takes over a process whose own parent is gone: none of these is an agent."""

CLAUDE_CODE = "claude-code"
"""The agent whose hooks are read as they come."""

DELEGATING = ("Agent", "Task")
"""The tool that starts a subagent, by its present and its former name."""

WORKING = frozenset({
    "ApplyPatch", "Bash", "Create", "Delete", "Edit", "EditNotebook", "Execute", "MultiEdit", "NotebookEdit",
    "PowerShell", "Shell", "StrReplace", "Write", "apply_patch", "bash", "create", "create_file", "edit",
    "edit_file", "exec_command", "insert_edit_into_file", "local_shell", "powershell", "replace",
    "replace_string_in_file", "run_in_terminal", "run_shell_command", "run_terminal_cmd", "search_replace",
    "shell", "str_replace_editor", "write", "write_file",
})  # fmt: skip
"""The tools that run commands or write files, by the agents' names for them: ``tool_results`` reads these."""

REASONS = ("empty", "internal", "no input", "no session id", "not JSON", "not an object",
           "out of memory", "too deep", "too large", "unknown event")  # fmt: skip
"""All reasons of a ``build_reject`` event."""

Fields = dict[str, object]
"""The payload, or the members of an event, or its attributes."""


class UnreadableError(Exception):
    """The payload gives no event: ``reason`` is one of REASONS, ``name`` that of a hook not known here."""

    def __init__(self, reason: str, name: str | None = None) -> None:
        self.reason = reason
        self.name = name


def build_record(
    payload: bytes,
    now: int,
    *,
    agent: str = CLAUDE_CODE,
    key: bytes = b"",
    traceparent: str | None = None,
    describe: bool = True,
    processes: "Processes | None" = None,
) -> bytes:
    r"""Return the journal record of one hook payload: ``\n``, the event as JSON (ASCII), ``\n``.

    The first newline ends whatever a torn earlier write has left. ``now`` is nanoseconds since the epoch,
    UTC; ``agent`` a name of ASCII letters, digits and hyphens; ``key`` the secret for hashes, of what calls
    wrote, and of calls that carry no id, to pair their start and end; ``traceparent`` the W3C trace context
    the agent was started in; ``describe`` lets a task's description pass; ``processes`` is asked, at the
    start of a session or a turn, for the processes that the agent may be. Never raises: what is no event
    becomes a ``build_reject`` event.
    """
    name = None
    try:
        return _build_event(
            _parse_payload(payload),
            now,
            agent=agent,
            key=key,
            traceparent=traceparent,
            describe=describe,
            processes=processes,
        )
    except UnreadableError as error:
        reason, name = error.reason, error.name
    except RecursionError:
        reason = "too deep"
    except MemoryError:
        reason = "out of memory"
    except Exception:  # noqa: BLE001  a fault in here must show in the journal, not in the agent
        reason = "internal"
    return build_reject(reason, len(payload), now, name=name, agent=agent)


def build_reject(
    reason: str, size: int, now: int, *, name: str | None = None, agent: str = CLAUDE_CODE
) -> bytes:
    """Return the journal record of input that gave no event; ``size`` is its length in bytes."""
    return _encode_record(
        "reject", "", now, {"source": agent, "name": name}, {"reason": reason, "bytes": size}
    )


def _parse_payload(payload: bytes) -> Fields:
    if len(payload) > LIMIT:
        raise UnreadableError("too large")
    # A stray byte can only stand inside a string, and none of the strings taken is worth the whole event.
    text = payload.decode("utf-8", "replace").strip("\ufeff \t\r\n")
    if not text:
        raise UnreadableError("empty")
    try:
        value, end = scan(text, 0)
    except (StopIteration, ValueError):
        raise UnreadableError("not JSON") from None
    if end != len(text):
        raise UnreadableError("not JSON")
    if type(value) is not dict:
        raise UnreadableError("not an object")
    return value


def _build_event(
    payload: Fields,
    now: int,
    *,
    agent: str,
    key: bytes,
    traceparent: str | None,
    describe: bool,
    processes: "Processes | None",
) -> bytes:
    if agent == CLAUDE_CODE:
        hook, said, told = payload.get("hook_event_name"), None, None
    else:
        hook, payload, said, told = _load_beside("dialects")["translate_payload"](agent, payload, now, key)
    session = _read_id(payload.get("session_id"))
    if session is None:
        raise UnreadableError("no session id")
    if type(hook) is not str or hook not in EVENTS:
        # The list of hooks keeps growing, so a new one is named; but only if it looks like a hook's name.
        raise UnreadableError("unknown event", _read_letters(payload.get("hook_event_name")))
    kind, outcome, fields, attributes = EVENTS[hook]
    event: Fields = {key: read(payload.get(source)) for key, (source, read) in fields.items()}
    event["outcome"] = outcome
    about: Fields = {key: read(payload.get(source)) for key, (source, read) in attributes.items()}
    if kind in ("session.start", "turn.start"):
        about["project"] = _read_last_component(payload.get("cwd"))
        about["traceparent"] = _read_traceparent(traceparent)
        about["processes"] = (processes() if processes else None) or None
    if hook in REFINED:
        REFINED[hook](payload, event, about)
    if hook in ("PostToolUse", "PostToolUseFailure") and payload.get("tool_name") in WORKING:
        about.update(_read_tool_result(hook, payload, key))
    if said is not None and told is not None:
        event.update(said)
        about.update(told)
    if not describe:
        about.pop("description", None)
    return _encode_record(kind, session, now, event, about)


def _encode_record(kind: str, session: str, now: int, event: Fields, attributes: Fields) -> bytes:
    head: Fields = {"version": 1, "kind": kind, "session": session, "time": now}
    line = _encode_members({**head, "source": CLAUDE_CODE, "channel": "hook", **event})
    about = _encode_members(attributes)
    if about:
        line += ',"attributes":{' + about + "}"
    return ("\n{" + line + "}\n").encode("ascii")


def _encode_members(fields: Fields) -> str:
    """Return the members of a JSON object; what is None is left out."""
    return ",".join(
        [quote(key) + ":" + _encode_value(value) for key, value in fields.items() if value is not None]
    )


def _encode_value(value: object) -> str:
    if type(value) is str:
        return quote(value)
    if type(value) is list:
        return "[" + ",".join([quote(item) for item in value]) + "]"
    return str(value).lower()  # whole numbers and booleans are all that is left


# What may be taken from a payload, by shape. A value of another shape is as good as absent.


def _read_name(value: object) -> str | None:
    """Return a name, cut to size."""
    return _replace_surrogates(value[:NAME_LIMIT]) if type(value) is str and value else None


def _read_id(value: object) -> str | None:
    """Return an id, or None for what is none: an id cut to size would be another one."""
    return _replace_surrogates(value) if type(value) is str and 0 < len(value) <= ID_LIMIT else None


def _replace_surrogates(text: str) -> str:
    """Replace lone surrogates, which JSON can spell but the journal's reader refuses."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _read_token(value: object, marks: str = "-_") -> str | None:
    """Return a string only if ASCII letters, digits and the marks make it up: the gate out of free text."""
    if type(value) is not str or len(value) > NAME_LIMIT:
        return None
    bare = value
    for mark in marks:
        bare = bare.replace(mark, "")
    return value if bare.isascii() and bare.isalnum() else None


def _read_letters(value: object) -> str | None:
    """Return a short string only if ASCII letters make it up."""
    if type(value) is not str or len(value) > WORD_LIMIT:
        return None
    return value if value.isascii() and value.isalpha() else None


def _read_word(value: object) -> str | None:
    """Return a short word of small letters and underscores, as a member of an enumeration is written."""
    return value if type(value) is str and _read_letters(value.replace("_", "")) and value.islower() else None


def _read_number(value: object) -> int | None:
    """Return a count or a length, rounded; a negative or absurd one measures nothing."""
    if (type(value) is int or type(value) is float) and 0 <= value < NUMBER_LIMIT:
        return round(value)
    return None


def _read_nanoseconds(milliseconds: object) -> int | None:
    if type(milliseconds) is int or type(milliseconds) is float:
        return _read_number(milliseconds * 1_000_000)
    return None


def _read_object(value: object) -> Fields:
    return value if type(value) is dict else {}


def _read_last_component(path: object) -> str | None:
    """Return the last component of a POSIX or Windows path; the root and a drive have none."""
    if type(path) is not str:
        return None
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return None if name.endswith(":") else _read_name(name)


def _read_traceparent(value: str | None) -> str | None:
    """Return a trace context as W3C Trace Context, section 3.2, spells it; anything else is absent."""
    if value is None:
        return None
    parts = value.split("-")
    if [len(part) for part in parts] != [2, 32, 16, 2] or any(part.strip(HEX) for part in parts):
        return None
    return value if parts[0] != "ff" and parts[1].strip("0") and parts[2].strip("0") else None


def _read_tag(text: str, tag: str) -> str | None:
    """Return what stands between the first such tags, if it looks like an id or a status."""
    start = text.find(f"<{tag}>")
    end = text.find(f"</{tag}>", start)
    return _read_token(text[start + len(tag) + 2 : end]) if -1 < start < end else None


def _read_objects(values: object) -> list[Fields]:
    return [_read_object(value) for value in values[:LIST_LIMIT]] if type(values) is list else []


def _read_call_ids(batch: object) -> list[str] | None:
    return [
        call_id for call in _read_objects(batch) if (call_id := _read_id(call.get("tool_use_id")))
    ] or None


def _read_running_tasks(tasks: object) -> list[str] | None:
    """Return the ids of the subagents still at work, none or more, or None where the agent does not say."""
    if type(tasks) is not list:
        return None
    at_work = [
        t for t in _read_objects(tasks) if t.get("status") == "running" and t.get("type") == "subagent"
    ]
    return [task_id for task in at_work if (task_id := _read_id(task.get("id")))]


def _read_error_class(text: object) -> str | None:
    """Return the class of an error, where the text starts with it; never the text."""
    return "exit_code" if type(text) is str and text.startswith("Exit code ") else None


# What takes more than one field of the payload to tell.


def _read_tool_result(hook: str, payload: Fields, key: bytes) -> Fields:
    """Return which tests a call ran and, as hashes, which files it wrote."""
    try:
        told: Fields = _load_beside("tool_results")["read_tool_result"](
            payload, key if hook == "PostToolUse" else b""
        )
    except Exception:  # noqa: BLE001  the call is worth more than what it was about
        return {}
    return told


def _add_prompt(payload: Fields, event: Fields, attributes: Fields) -> None:
    """Add whether the user or the host asks, and of the host's prompt the ids of the task it reports."""
    event["type"] = "user"
    prompt = payload.get("prompt")
    if type(prompt) is not str:
        return
    attributes["prompt_length"] = len(prompt)
    if prompt.startswith("/"):
        attributes["command"] = _read_token(prompt[: NAME_LIMIT + 2].split(None, 1)[0][1:], "-_:")
    elif prompt.startswith("<task-notification>"):
        event["type"] = "host"
        head = prompt.partition("<result>")[0]  # behind it stands the agent's answer, which may hold any tag
        attributes["task"] = _read_tag(head, "task-id")
        attributes["task_status"] = _read_tag(head, "status")
        attributes["delegated_by"] = _read_tag(head, "tool-use-id")


def _add_delegation(payload: Fields, event: Fields, attributes: Fields) -> None:
    """Add which agent a delegation asks for, and what it is said to be about."""
    if event["name"] in DELEGATING:
        order = _read_object(payload.get("tool_input"))
        background = order.get("run_in_background")
        attributes["agent"] = _read_name(order.get("subagent_type"))
        attributes["description"] = _read_name(order.get("description"))
        attributes["background"] = background if type(background) is bool else None


def _add_delegated_task(payload: Fields, event: Fields, attributes: Fields) -> None:
    """Add which task a delegation has started or, if it has waited for it, ended."""
    response = _read_object(payload.get("tool_response"))
    task = _read_token(response.get("agentId"))
    # What another vendor's tool calls an agent's id is part of that tool's answer, and stays out.
    if task is not None and not str(event["name"]).startswith("mcp__"):
        attributes["task"] = task
        attributes["status"] = _read_word(response.get("status"))
        attributes["task_duration_ms"] = _read_number(response.get("totalDurationMs"))
        attributes["task_tool_calls"] = _read_number(response.get("totalToolUseCount"))


def _mark_interrupted(payload: Fields, event: Fields, attributes: Fields) -> None:
    if payload.get("is_interrupt") is True:
        event["outcome"] = "cancelled"
        attributes["error"] = "interrupt"


def _mark_denied(_: Fields, __: Fields, attributes: Fields) -> None:
    attributes["status"] = "denied"


# An agent's type without its id is that of the main thread: the id alone makes a parent or a task.
_PARENT: "Readers" = {"parent": ("agent_id", _read_id)}
_TURN: "Readers" = {"id": ("prompt_id", _read_id)}
_TASK: "Readers" = {"id": ("agent_id", _read_id), "name": ("agent_type", _read_name)}
_TOOL: "Readers" = {
    "id": ("tool_use_id", _read_id),
    **_PARENT,
    "duration": ("duration_ms", _read_nanoseconds),
    "name": ("tool_name", _read_name),
}
_STOPPED: "Readers" = {
    **_TASK,
    "parent": ("parent_agent_id", _read_id),
    "duration": ("duration_ms", _read_nanoseconds),
}
_RUNNING: "Readers" = {"running": ("background_tasks", _read_running_tasks)}
_DONE: "Readers" = {"task_tool_calls": ("tool_call_count", _read_number)}
_USED: "Readers" = {
    "input_tokens": ("input_tokens", _read_number),
    "output_tokens": ("output_tokens", _read_number),
    "cache_read_tokens": ("cache_read_tokens", _read_number),
    "cache_write_tokens": ("cache_write_tokens", _read_number),
}

# fmt: off
EVENTS: "dict[str, tuple[str, str | None, Readers, Readers]]" = {
    "SessionStart": ("session.start", None, {}, {"model": ("model", _read_name), "reason": ("source", _read_name)}),
    "SessionEnd": ("session.end", None, {}, {"reason": ("reason", _read_name)}),
    "UserPromptSubmit": ("turn.start", None, {**_TURN, **_PARENT}, {}),
    "PreToolUse": ("tool.start", None, _TOOL, {}),
    "PostToolUse": ("tool.end", "success", _TOOL, {}),
    "PostToolUseFailure": ("tool.end", "failure", _TOOL, {"error": ("error", _read_error_class)}),
    "PostToolBatch": ("batch.end", None, _PARENT, {"ids": ("tool_calls", _read_call_ids)}),
    "PermissionRequest": ("permission.request", None, {**_PARENT, "name": ("tool_name", _read_name)}, {}),
    "PermissionDenied": ("tool.end", "cancelled", _TOOL, {}),
    "Notification": ("notification", None, {**_PARENT, "type": ("notification_type", _read_name)}, {}),
    "SubagentStart": ("task.start", None, _TASK, {"delegated_by": ("delegated_by", _read_id)}),
    "SubagentStop": ("task.end", "success", _STOPPED, {**_RUNNING, **_DONE}),
    "Stop": ("turn.end", "success", _TURN, {**_RUNNING, **_USED}),
    "StopFailure": ("turn.end", "failure", _TURN, {**_RUNNING, "error": ("error", _read_word)}),
    "PreCompact": ("compaction.start", None, {**_PARENT, "type": ("trigger", _read_name)}, {}),
    "PostCompact": ("compaction.end", None, {**_PARENT, "type": ("trigger", _read_name)}, {}),
}
# fmt: on
"""Hook → kind and outcome of its event, then its fields and attributes, each from a field of the payload.

Some of the fields only other agents have."""

REFINED: "dict[str, Callable[[Fields, Fields, Fields], None]]" = {
    "UserPromptSubmit": _add_prompt,
    "PreToolUse": _add_delegation,
    "PostToolUse": _add_delegated_task,
    "PostToolUseFailure": _mark_interrupted,
    "PermissionDenied": _mark_denied,
}
"""Hook → what adds to event and attributes where it takes more than one field to tell."""


# The process: standard input, environment and one write.


def main(arguments: list[str]) -> None:
    """Append the record of what stands on standard input to the journal, then end the process with 0.

    ``arguments`` may hold the state folder and the agent. The process ends without the interpreter's tidying
    up, which takes longer than all of the above and could still print or fail.
    """
    try:
        state = _find_state(arguments)
        agent = CLAUDE_CODE if len(arguments) < 2 else _read_token(arguments[1]) or "other"  # noqa: PLR2004
        line = _read_input(agent, state)
        if state:
            _append_line(f"{state}/journal", line)
    except BaseException:  # noqa: BLE001, S110  the agent comes first: nobody may hear of it
        pass
    posix._exit(0)


def _read_input(agent: str, state: str | None) -> bytes:
    """Return the record of standard input, which is read to its end so that the agent's write succeeds."""
    chunks = []
    size = 0
    try:
        while chunk := posix.read(0, CHUNK):
            size += len(chunk)
            if size <= LIMIT:
                chunks.append(chunk)
            else:
                chunks.clear()
        payload = b"".join(chunks)
    except OSError:
        return build_reject("no input", size, ARRIVED, agent=agent)
    except MemoryError:
        return build_reject("out of memory", size, ARRIVED, agent=agent)
    if size > LIMIT:
        return build_reject("too large", size, ARRIVED, agent=agent)
    traceparent = _read_variable("TRACEPARENT")
    describe = _read_variable("STRETTO_DESCRIPTIONS") != "0"
    key = b"" if agent == CLAUDE_CODE and b"PostToolUse" not in payload else _read_key(state)
    return build_record(
        payload,
        ARRIVED,
        agent=agent,
        key=key,
        traceparent=traceparent,
        describe=describe,
        processes=list_ancestors,
    )


def list_ancestors() -> list[str]:
    """Return the processes that may be the agent's, the nearest first, each as ``identify_process`` spells it.

    They are the parent and what is above it as long as that is a shell: a hook is started through one, which
    is gone a moment later. Without ``/proc`` the parent is all that can be told.
    """
    found: list[str] = []
    pid = posix.getppid()
    try:
        for _ in range(ANCESTORS):
            name, above, started = _read_stat(pid)
            if name in REAPERS:
                break
            found.append(f"{pid}:{started}")
            if name not in SHELLS:
                break
            pid = above
    except (OSError, ValueError, IndexError):
        # No /proc; or one of them went meanwhile, and those below it are told.
        return found or [str(pid)]
    return found


def identify_process(pid: int) -> str:
    """Return a process as text: ``pid:started``, in clock ticks since the boot, or ``pid`` without ``/proc``.

    A pid is given again to others; the pair is not.
    """
    try:
        return f"{pid}:{_read_stat(pid)[2]}"
    except (OSError, ValueError, IndexError):
        return str(pid)


def _read_stat(pid: int) -> tuple[str, int, int]:
    """Return name, parent and start of a process, fields 2, 4 and 22 of proc_pid_stat(5)."""
    descriptor = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY)
    try:
        line = posix.read(descriptor, 4096)
    finally:
        posix.close(descriptor)
    # The name may hold blanks and brackets of its own.
    name, _, rest = line.partition(b"(")[2].rpartition(b") ")
    fields = rest.split()
    return name.decode("ascii", "replace"), int(fields[1]), int(fields[19])


def _read_key(state: str | None) -> bytes:
    """Return this installation's secret; without it there are no hashes.

    It lies beside the copy that hooks start; a plugin brings a copy of its own, and no secret.
    """
    for folder in (__file__.removesuffix("client.py"), f"{state}/hook/"):
        try:
            with open(folder + "key", "rb") as secret:  # noqa: PTH123  pathlib costs
                return secret.read()
        except OSError:
            pass
    return b""


def _load_beside(name: str) -> "dict[str, Any]":
    """Load a file beside this one, compiled or from its source, and return what is in it."""
    try:
        # Named so, it is found in the package as well as in the folder that the copy was started from.
        return vars(__import__(f"{__package__}.{name}" if __package__ else name, fromlist=["*"]))
    except Exception:  # noqa: BLE001  a damaged cache can fail in any way
        scope: dict[str, Any] = {"__name__": name}
        folder = __file__.removesuffix("client.py")
        with open(f"{folder}{name}.py", encoding="utf-8") as source:  # noqa: PTH123  pathlib costs
            exec(source.read(), scope)  # noqa: S102  it is the file that the import above runs
        return scope


def _read_variable(name: str) -> str | None:
    """Return a variable's value; posix keeps the environment in bytes, os in strings."""
    environment: dict[Any, Any] = {**posix.environ}
    value = environment.get(name.encode(), environment.get(name))
    return value.decode(sys.getfilesystemencoding(), "surrogateescape") if type(value) is bytes else value


def _find_state(arguments: list[str]) -> str | None:
    """Return the state folder: STRETTO_STATE, the argument, or the XDG Base Directory's place for state."""
    named = _read_variable("STRETTO_STATE") or (arguments[0] if arguments else None)
    if named:
        return named
    base, home = _read_variable("XDG_STATE_HOME"), _read_variable("HOME")
    if base:
        return f"{base}/stretto"
    return f"{home}/.local/state/stretto" if home else None


def _append_line(folder: str, line: bytes) -> None:
    """Append with one write call, which O_APPEND keeps whole among other processes doing the same."""
    year, month, day = time.gmtime(ARRIVED // 1_000_000_000)[:3]
    path = f"{folder}/{year:04}-{month:02}-{day:02}.jsonl"
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT
    # A pipe put in the file's place must fail, not wait; Windows must not make two characters of a line's
    # end.
    flags |= getattr(posix, "O_NONBLOCK", 0) | getattr(posix, "O_BINARY", 0)
    try:
        descriptor = posix.open(path, flags, 0o600)
    except FileNotFoundError:
        _make_folder(folder)
        descriptor = posix.open(path, flags, 0o600)
    posix.write(descriptor, line)


def _make_folder(folder: str) -> None:
    """Make a folder and those above it, closed to others; a failure shows when the file is opened."""
    parts = folder.split("/")
    for count in range(1, len(parts) + 1):
        try:  # noqa: SIM105  contextlib costs too much
            posix.mkdir("/".join(parts[:count]), 0o700)  # noqa: PTH102  pathlib likewise
        except OSError:
            pass  # it is there already, as a rule, or another hook was faster


if __name__ == "__main__":
    main(sys.argv[1:])
