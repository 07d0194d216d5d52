"""The hook client: append an event to the journal for each call of an agent's hook; never disturb the agent.

An agent starts it as ``python -I -S client.py [STATE_DIR [AGENT]]`` with the hook's payload (JSON) on
standard input. It appends a line to ``<state>/journal/<UTC day>.jsonl``, prints nothing and always exits with
0. Agents treat any other exit code as an error, and 2 as an order to stop. Unreadable input becomes a
``reject`` event, so that the gap is visible. ``start`` runs the same code from its compiled form.

The installer copies this file to the folder that the hooks run, so the file works alone. It imports only
modules that the interpreter has loaded already, and a C accelerator of ``json``. An ordinary import costs
more time than the rest of the client. The service's HTTP endpoint imports ``build_record``, so both
transports write the same bytes.

The payload's fields are described in Claude Code's hooks reference (code.claude.com/docs/en/hooks). Two
modules in the same folder are loaded only when they are needed. ``dialects`` translates the payloads of other
agents. ``tests_and_written_files`` reads which tests a finished call ran, and hashes the path it wrote. Only
names, ids, types, sizes, times and outcomes are recorded; never a prompt, a tool's input or output, a path or
a message.
"""

import sys
import time

ARRIVED = time.time_ns()  # payloads carry no time, so the start of this process stands in

try:
    import posix
except ImportError:
    # Windows has no such module; os offers the same calls but loads more slowly.
    import os as posix  # type: ignore[no-redef]  # the same name for both modules

TYPE_CHECKING = False  # importing typing would cost as much as starting the interpreter
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    Readers = dict[str, tuple[str, Callable[[object], object]]]
    Processes = Callable[[], list[str]]
    Host = Callable[[], str | None]


def _replace_by_null(_: str) -> None:
    """Read NaN and the infinities as null: they are not valid JSON, though some programs write them."""


try:
    # Importing json costs as much as starting the interpreter; its two C functions load at once.
    from _json import encode_basestring_ascii as quote
    from _json import make_scanner

    class _Scanning:
        """The attributes that the C scanner reads from a decoder."""

        strict = False  # a bare control character in a tool's output must not lose the event
        object_hook = object_pairs_hook = array_hook = None
        parse_float = float
        parse_int = int
        parse_constant = _replace_by_null

    scan = make_scanner(_Scanning)  # type: ignore[arg-type]  # any object with these attributes works
except (ImportError, AttributeError, TypeError):
    # The interpreter has no accelerator, or its accelerator needs more attributes.
    from json import JSONDecoder
    from json.encoder import encode_basestring_ascii as quote

    scan = JSONDecoder(strict=False, parse_constant=_replace_by_null).scan_once  # type: ignore[attr-defined]
    # untyped

LIMIT = 64 * 1024 * 1024  # bytes of a payload; parsing more could exhaust the machine's memory
CHUNK = 1024 * 1024  # bytes
ID_LIMIT = 200  # characters; anything longer is not an id
NAME_LIMIT = 120  # characters
WORD_LIMIT = 40  # characters
LIST_LIMIT = 256  # ids in an event; keeps a line far below the size of a single write
NUMBER_LIMIT = 3_650 * 86_400 * 10**9  # nanoseconds; ten years are not a duration
LABEL_LIMIT = 16  # labels of a session
PATH_LIMIT = 4096  # characters
ANCESTORS = 5  # processes above this one; agents put one shell between, seldom two
HEX = "0123456789abcdef"

KEYED = (b"PostToolUse", b"SessionStart", b"UserPromptSubmit")
"""Names of Claude Code's events that something is hashed of."""
WORKTREES = ("/.worktrees/", "/.claude/worktrees/")
"""Folders in a repository that hold its worktrees."""

SHELLS = (
    "sh", "ash", "bash", "busybox", "dash", "fish", "ksh", "zsh", "env", "nice", "nohup",
    "setsid", "stdbuf", "timeout",
)  # fmt: skip
"""Shells and starters through which agents run hooks: the process above one is examined too."""

REAPERS = ("catatonit", "docker-init", "dumb-init", "init", "launchd", "systemd", "tini")
"""Processes that adopt a process whose parent has ended: none of these is an agent."""

CLAUDE_CODE = "claude-code"
"""The agent whose payloads need no translation."""

DELEGATING = ("Agent", "Task")
"""The present and the former name of the tool that starts a subagent."""

LEVELS = ("minimal", "standard", "detailed")

CALL_KINDS = ("tool.start", "tool.end", "batch.end")
"""Events of calls; those of calls that start an agent are part of its task."""

MINIMAL_KINDS = ("session.start", "session.end", "turn.start", "turn.end", "task.start", "task.end")
"""Events that every level of collection keeps."""

TEST_ATTRIBUTES = (
    "test_framework", "tests_passed", "tests_failed", "tests_skipped", "tests_deselected", "test_parts",
    "test_parts_cached",
)  # fmt: skip

WORKING = frozenset({
    "ApplyPatch", "Bash", "Create", "Delete", "Edit", "EditNotebook", "Execute", "MultiEdit", "NotebookEdit",
    "PowerShell", "Shell", "StrReplace", "Write", "apply_patch", "bash", "create", "create_file", "edit",
    "edit_file", "exec_command", "insert_edit_into_file", "local_shell", "powershell", "replace",
    "replace_string_in_file", "run_in_terminal", "run_shell_command", "run_terminal_cmd", "search_replace",
    "shell", "str_replace_editor", "write", "write_file",
})  # fmt: skip
"""Tools that run commands or write files, in all spellings, for ``tests_and_written_files``."""

REASONS = ("empty", "internal", "no input", "no session id", "not JSON", "not an object",
           "out of memory", "too deep", "too large", "unknown event")  # fmt: skip
"""All reasons of a ``build_reject`` event."""

Fields = dict[str, object]
"""A payload, the fields of an event, or its attributes."""


class UnreadableError(Exception):
    """The payload gives no event: ``reason`` is a member of REASONS, ``name`` that of an unknown hook."""

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
    host: "Host | None" = None,
    labels: "Processes | None" = None,
    test_commands: "Processes | None" = None,
    folder: str = "",
    collect: str = "",
) -> bytes:
    r"""Return the journal record of one hook payload: ``\n``, the event as JSON (ASCII), ``\n``.

    The first newline ends the rest of an earlier, torn write. Never raises: a payload that gives no event
    becomes a ``reject`` event.

    ``now``: nanoseconds since the epoch, UTC. ``agent``: a name of ASCII letters, digits and hyphens.
    ``key``: the secret for hashing written paths, and calls without an id. ``traceparent``: the W3C trace
    context that the agent was started in. ``describe``: whether a task's description is recorded. ``folder``:
    where a dialect keeps notes between hooks.
    ``processes``: called at the start of a session or turn; returns the processes that may be the agent.
    ``host``: called with it; returns where these processes are, see ``identify_boot_and_pid_namespace``.
    ``labels``: called then too; returns the session's labels, each as ``key=value``.
    ``test_commands``: called at the end of a call that ran a command; returns the configured test commands.
    ``collect``: the level of collection and the parts that are off, separated by blanks; what is not
    collected gives no bytes.
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
            host=host,
            labels=labels,
            test_commands=test_commands,
            folder=folder,
            collect=collect,
        )
    except UnreadableError as error:
        reason, name = error.reason, error.name
    except RecursionError:
        reason = "too deep"
    except MemoryError:
        reason = "out of memory"
    except Exception:  # noqa: BLE001  a bug in here must show in the journal, not in the agent
        reason = "internal"
    return build_reject(reason, len(payload), now, name=name, agent=agent)


def build_reject(
    reason: str, size: int, now: int, *, name: str | None = None, agent: str = CLAUDE_CODE
) -> bytes:
    """Return the journal record of an input that gave no event; ``size`` is the input's length in bytes."""
    return _encode_record(
        "reject", "", now, {"source": agent, "name": name}, {"reason": reason, "bytes": size}
    )


def _parse_payload(payload: bytes) -> Fields:
    if len(payload) > LIMIT:
        raise UnreadableError("too large")
    # An invalid byte can only be inside a string, and no string is worth losing the whole event.
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
    host: "Host | None",
    labels: "Processes | None",
    test_commands: "Processes | None",
    folder: str,
    collect: str,
) -> bytes:
    # Example: {"hook_event_name": "PostToolUse", "session_id": "s", "tool_use_id": "t", "tool_name": "Read",
    # "duration_ms": 12} gives kind "tool.end", outcome "success", id "t", name "Read", duration 12000000.
    if agent == CLAUDE_CODE:
        hook, event_changes, attribute_changes = payload.get("hook_event_name"), None, None
    else:
        translate = _load_beside("dialects")["translate_payload"]
        hook, payload, event_changes, attribute_changes = translate(agent, payload, now, key, folder)
    session = _read_id(payload.get("session_id"))
    if session is None:
        raise UnreadableError("no session id")
    if type(hook) is not str or hook not in EVENTS:
        # Agents keep adding hooks, so an unknown hook is named, but only if the name consists of letters.
        raise UnreadableError("unknown event", _read_letters(payload.get("hook_event_name")))
    kind, outcome, field_readers, attribute_readers = EVENTS[hook]
    event: Fields = {name: read(payload.get(source)) for name, (source, read) in field_readers.items()}
    event["outcome"] = outcome
    attributes: Fields = {
        name: read(payload.get(source)) for name, (source, read) in attribute_readers.items()
    }
    if kind in ("session.start", "turn.start"):
        attributes["project"], attributes["worktree"], root = find_project(payload.get("cwd"))
        attributes["repository"] = hash_repository(root, key)
        attributes["traceparent"] = _read_traceparent(traceparent)
        attributes["processes"] = (processes() if processes else None) or None
        attributes["host"] = host() if host else None
        attributes["labels"] = (labels() if labels else None) or None
    if hook in REFINED:
        REFINED[hook](payload, event, attributes)
    tool = payload.get("tool_name")
    if hook in ("PostToolUse", "PostToolUseFailure") and type(tool) is str and tool in WORKING:
        attributes.update(_read_tool_result(hook, payload, key, test_commands))
    if event_changes is not None and attribute_changes is not None:
        event.update(event_changes)
        attributes.update(attribute_changes)
    if not describe:
        attributes.pop("description", None)
    if collect and not _apply_collection(collect.split(), kind, event, attributes):
        return b""
    return _encode_record(kind, session, now, event, attributes)


def _apply_collection(words: list[str], kind: str, event: Fields, attributes: Fields) -> bool:
    """Remove what is not collected from an event; return whether anything of it is.

    Example: at level minimal the end of a Bash call is dropped. That of an Agent call stays: it ends a task.
    """
    level, off = words[0], words[1:]
    delegates = event.get("name") in DELEGATING or bool(attributes.get("task") or attributes.get("agent"))
    if kind in CALL_KINDS and not delegates and (level != "detailed" or "executions" in off):
        return False
    if level == "minimal" and kind not in MINIMAL_KINDS and not delegates:
        return False
    if "tests" in off:
        for name in TEST_ATTRIBUTES:
            attributes.pop(name, None)
    if "agents" in off:
        attributes.pop("agent", None)
        if kind in ("task.start", "task.end"):
            event["name"] = None
    return True


def _encode_record(kind: str, session: str, now: int, event: Fields, attributes: Fields) -> bytes:
    head: Fields = {"version": 1, "kind": kind, "session": session, "time": now}
    line = _encode_members({**head, "source": CLAUDE_CODE, "channel": "hook", **event})
    members = _encode_members(attributes)
    if members:
        line += ',"attributes":{' + members + "}"
    return ("\n{" + line + "}\n").encode("ascii")


def _encode_members(fields: Fields) -> str:
    """Return the members of a JSON object without those whose value is None."""
    return ",".join(
        [quote(key) + ":" + _encode_value(value) for key, value in fields.items() if value is not None]
    )


def _encode_value(value: object) -> str:
    if type(value) is str:
        return quote(value)
    if type(value) is list:
        return "[" + ",".join([quote(item) for item in value]) + "]"
    return str(value).lower()  # only whole numbers and booleans are left


# Readers of a payload's values. A value of another type or shape reads as absent.


def _read_name(value: object) -> str | None:
    """Return a name, cut to NAME_LIMIT characters, with blanks for control and formatting characters."""
    if type(value) is not str or not value:
        return None
    name = _replace_surrogates(value[:NAME_LIMIT])
    return name if name.isprintable() else "".join([c if c.isprintable() else " " for c in name])


def _read_id(value: object) -> str | None:
    """Return an id, or None for anything longer than an id: a shortened id could equal another id."""
    return _replace_surrogates(value) if type(value) is str and 0 < len(value) <= ID_LIMIT else None


def _replace_surrogates(text: str) -> str:
    """Replace lone surrogates: JSON can spell them, but the journal's reader refuses them."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def _read_token(value: object, marks: str = "-_") -> str | None:
    """Return a string only if it consists of ASCII letters, digits and the marks: no free text."""
    if type(value) is not str or len(value) > NAME_LIMIT:
        return None
    bare = value
    for mark in marks:
        bare = bare.replace(mark, "")
    return value if bare.isascii() and bare.isalnum() else None


def _read_letters(value: object) -> str | None:
    """Return a short string only if it consists of ASCII letters."""
    if type(value) is not str or len(value) > WORD_LIMIT:
        return None
    return value if value.isascii() and value.isalpha() else None


def _read_word(value: object) -> str | None:
    """Return a short word of lower-case letters and underscores, such as the member of an enumeration."""
    return value if type(value) is str and _read_letters(value.replace("_", "")) and value.islower() else None


def _read_effort(value: object) -> str | None:
    """Return the effort that the model is asked for, as a word or as the level in an object."""
    return _read_word(value.get("level") if type(value) is dict else value)


def _read_number(value: object) -> int | None:
    """Return a count or duration, rounded; a negative or absurdly large value reads as absent."""
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
    """Return the last component of a POSIX or Windows path, or None for the root or a drive."""
    if type(path) is not str:
        return None
    name = path.replace("\\", "/").rstrip("/").rpartition("/")[2]
    return None if name.endswith(":") else _read_name(name)


def find_project(folder: object) -> tuple[str | None, str | None, str | None]:
    """Return the name of the repository that a folder lies in, that of its worktree if any, and its path.

    A worktree has a file ``.git`` that names its repository, or lies in ``.worktrees`` or in
    ``.claude/worktrees``. Outside a repository the folder itself is the project.
    Example: ``/home/u/shop/.worktrees/1/src`` is in the worktree ``1`` of ``shop``.
    """
    if type(folder) is not str:
        return None, None, None
    path = folder.replace("\\", "/").rstrip("/")
    root, worktree = _find_repository(path)
    return _read_last_component(root), worktree, root


def _find_repository(path: str) -> tuple[str, str | None]:
    for place in WORKTREES:
        root, found, below = path.partition(place)
        if found and below:
            return root, _read_name(below.partition("/")[0])
    above = path
    while above.count("/") > 0 and len(above) <= PATH_LIMIT:
        git = _read_git_entry(above + "/.git")
        if git is not None:
            root, found, _ = git.partition("/.git/worktrees/")
            return (root, _read_last_component(above)) if found else (above, None)
        above = above.rpartition("/")[0]
    return path, None


def hash_repository(path: str | None, key: bytes) -> str | None:
    """Return a keyed hash of a repository's path, 16 hex digits; None without path or key.

    Repositories of one name stay apart by it, and nobody can find the path by trial.
    """
    if not path or not key:
        return None
    try:
        from _blake2 import blake2b  # noqa: PLC0415  hashlib loads OpenSSL, which takes as long as a start
    except ImportError:
        from hashlib import blake2b  # noqa: PLC0415  every interpreter has this module
    return blake2b(path.encode("utf-8", "replace"), digest_size=8, key=key, person=b"repository").hexdigest()


def _read_git_entry(path: str) -> str | None:
    """Return the folder that a file ``.git`` names; empty for a folder ``.git``, None if there is neither."""
    try:
        descriptor = posix.open(path, posix.O_RDONLY | getattr(posix, "O_NONBLOCK", 0))
    except (OSError, ValueError):
        return None
    try:
        return posix.read(descriptor, PATH_LIMIT).decode("utf-8", "replace").partition("gitdir:")[2].strip()
    except OSError:
        return ""  # a folder cannot be read like a file
    finally:
        posix.close(descriptor)


def _read_traceparent(value: str | None) -> str | None:
    """Return a trace context if it is valid by W3C Trace Context, section 3.2, else None."""
    if value is None:
        return None
    parts = value.split("-")
    if [len(part) for part in parts] != [2, 32, 16, 2] or any(part.strip(HEX) for part in parts):
        return None
    return value if parts[0] != "ff" and parts[1].strip("0") and parts[2].strip("0") else None


def _read_tag(text: str, tag: str) -> str | None:
    """Return the text between the first pair of these tags if it looks like an id or a status."""
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
    """Return the ids of the subagents that still run, or None if the agent does not report them."""
    if type(tasks) is not list:
        return None
    at_work = [
        t for t in _read_objects(tasks) if t.get("status") == "running" and t.get("type") == "subagent"
    ]
    return [task_id for task in at_work if (task_id := _read_id(task.get("id")))]


def _read_error_class(text: object) -> str | None:
    """Return the class of an error if the text begins with it; never the text itself."""
    return "exit_code" if type(text) is str and text.startswith("Exit code ") else None


# Refinements that read more than a single field of the payload.


def _read_tool_result(hook: str, payload: Fields, key: bytes, test_commands: "Processes | None") -> Fields:
    """Return the attributes for the tests that a call ran and for the hashed paths of the files it wrote."""
    try:
        attributes: Fields = _load_beside("tests_and_written_files")["read_tool_result"](
            payload, key if hook == "PostToolUse" else b"", test_commands
        )
    except Exception:  # noqa: BLE001  the call is recorded even if its result cannot be read
        return {}
    return attributes


def _add_prompt(payload: Fields, event: Fields, attributes: Fields) -> None:
    """Add who sent the prompt, user or host; add the task's ids if the host reports a finished task."""
    event["type"] = "user"
    prompt = payload.get("prompt")
    if type(prompt) is not str:
        return
    attributes["prompt_length"] = len(prompt)
    if prompt.startswith("/"):
        attributes["command"] = _read_token(prompt[: NAME_LIMIT + 2].split(None, 1)[0][1:], "-_:")
    elif prompt.startswith("<task-notification>"):
        event["type"] = "host"
        head = prompt.partition("<result>")[
            0
        ]  # after it follows the agent's answer, which may contain any tag
        attributes["task"] = _read_tag(head, "task-id")
        attributes["task_status"] = _read_tag(head, "status")
        attributes["delegated_by"] = _read_tag(head, "tool-use-id")
        milliseconds = _read_tag(prompt.rpartition("</result>")[2], "duration_ms")
        if milliseconds and milliseconds.isdigit():
            attributes["task_duration_ms"] = _read_number(int(milliseconds))


def _add_delegation(payload: Fields, event: Fields, attributes: Fields) -> None:
    """Add the agent that a delegating call starts, its description, and whether it runs in the background."""
    if event["name"] in DELEGATING:
        order = _read_object(payload.get("tool_input"))
        background = order.get("run_in_background")
        attributes["agent"] = _read_name(order.get("subagent_type"))
        attributes["description"] = _read_name(order.get("description"))
        attributes["background"] = background if type(background) is bool else None


def _add_delegated_task(payload: Fields, event: Fields, attributes: Fields) -> None:
    """Add the task that a delegating call has started or, if the call waited, ended."""
    response = _read_object(payload.get("tool_response"))
    task = _read_token(response.get("agentId"))
    # In the answer of an MCP tool, "agentId" is the tool's own data and is not recorded.
    if task is not None and not str(event["name"]).startswith("mcp__"):
        attributes["task"] = task
        attributes["status"] = _read_word(response.get("status"))
        attributes["task_duration_ms"] = _read_number(response.get("totalDurationMs"))
        attributes["task_tool_calls"] = _read_number(response.get("totalToolUseCount"))


def _mark_interrupted(payload: Fields, event: Fields, attributes: Fields) -> None:
    if payload.get("is_interrupt") is True:
        event["outcome"] = "cancelled"
        attributes["error"] = "interrupt"


def _add_bad_results(payload: Fields, _: Fields, attributes: Fields) -> None:
    """Add the calls of a batch that went wrong: for some of them the agent calls no other hook.

    Each is ``outcome id tool``. Example: ``denied toolu_1 Bash``.
    """
    results = []
    for call in _read_objects(payload.get("tool_calls")):
        call_id, text = _read_id(call.get("tool_use_id")), call.get("tool_response")
        word = find_outcome_of_bad_result(text) if type(text) is str else None
        if call_id is not None and word is not None:
            results.append(f"{word} {call_id} {_read_name(call.get('tool_name')) or ''}".rstrip())
    attributes["results"] = results or None


def find_outcome_of_bad_result(text: str) -> str | None:
    """Return how a call ended by the text of its result, or None if the text does not say.

    It is "failure", "cancelled" (by a person, or since a call beside it failed) or "denied" (no permission).
    """
    if text.startswith(CANCELLED_RESULTS):
        return "cancelled"
    if text.startswith(DENIED_RESULTS) or (
        text.startswith(JUDGED_RESULTS) and any(word in text[:400] for word in DENIALS)
    ):
        return "denied"
    return "failure" if text.startswith("<tool_use_error>") else None


CANCELLED_RESULTS = (
    "The user doesn't want to proceed with this tool use",
    "The user doesn't want to take this action right now",
    "User rejected tool use",
    "[Request interrupted by user",
    "<tool_use_error>Sibling tool call errored",
    "<tool_use_error>Cancelled: parallel tool call",
)
"""Beginnings of the result of a call cancelled by the user, or by a failed call of the same batch."""
DENIED_RESULTS = (
    "Permission for this ",
    "This command requires approval",
    "This Bash command contains multiple operations. The following part",
    "Auto mode is unavailable",
)
"""Beginnings of the result of a call that was denied."""
JUDGED_RESULTS = ("PreToolUse:", "Permission to use ", "Claude requested permissions to ")
"""Beginnings of such a result if one of ``DENIALS`` follows in the same sentence."""
DENIALS = (" hook error", "denied", "but you haven't granted")


def _mark_denied(_: Fields, __: Fields, attributes: Fields) -> None:
    attributes["status"] = "denied"


# The main thread reports an agent type without an id: only an id makes a parent or a task.
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
_AROUND: "Readers" = {
    "permission_mode": ("permission_mode", _read_token),
    "effort": ("effort", _read_effort),
}
_DONE: "Readers" = {"task_tool_calls": ("tool_call_count", _read_number)}
_USED: "Readers" = {
    "input_tokens": ("input_tokens", _read_number),
    "output_tokens": ("output_tokens", _read_number),
    "cache_read_tokens": ("cache_read_tokens", _read_number),
    "cache_write_tokens": ("cache_write_tokens", _read_number),
}

# fmt: off
EVENTS: "dict[str, tuple[str, str | None, Readers, Readers]]" = {
    "SessionStart": ("session.start", None, {},
                     {"model": ("model", _read_name), "reason": ("source", _read_name), **_AROUND}),
    "SessionEnd": ("session.end", None, {}, {"reason": ("reason", _read_name)}),
    "UserPromptSubmit": ("turn.start", None, {**_TURN, **_PARENT}, _AROUND),
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
"""Hook → kind and outcome of its event, then the readers of its fields and attributes.

A reader maps a name to the payload's field and a function. Some fields are sent by other agents only."""

REFINED: "dict[str, Callable[[Fields, Fields, Fields], None]]" = {
    "UserPromptSubmit": _add_prompt,
    "PreToolUse": _add_delegation,
    "PostToolUse": _add_delegated_task,
    "PostToolUseFailure": _mark_interrupted,
    "PermissionDenied": _mark_denied,
    "PostToolBatch": _add_bad_results,
}
"""Hook → function that refines the event and its attributes from several fields of the payload."""


# The process: standard input, environment and a single write.


def main(arguments: list[str]) -> None:
    """Append the record of standard input to the journal, then end the process with exit code 0.

    ``arguments`` may hold the state folder and the agent. The process ends without the interpreter's
    clean-up, which takes longer than the client itself and could print or fail.
    """
    try:
        state = _find_state(arguments)
        agent = CLAUDE_CODE if len(arguments) < 2 else _read_token(arguments[1]) or "other"  # noqa: PLR2004
        line = _read_input(agent, state)
        if state and line:
            _append_line(f"{state}/journal", line)
    except BaseException:  # noqa: BLE001, S110  a failure must not disturb the agent
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
    keyed = agent != CLAUDE_CODE or any(name in payload for name in KEYED)
    key = _read_key(state) if keyed else b""
    return build_record(
        payload,
        ARRIVED,
        agent=agent,
        key=key,
        traceparent=traceparent,
        describe=describe,
        processes=list_ancestors,
        host=identify_boot_and_pid_namespace,
        labels=list_labels,
        test_commands=lambda: list_test_commands(state),
        folder=f"{state}/hook" if state else "",
        collect=_read_collection(state),
    )


def list_ancestors() -> list[str]:
    """Return the processes that may be the agent, nearest first, each as ``identify_process`` writes it.

    The list begins with the parent. While a process is a shell, its parent is added too: agents start hooks
    through a shell that ends a moment later. Without ``/proc`` the list holds the parent only.
    Example: the client's parent is sh (pid 12), below claude (pid 7): ["12:8100", "7:4200"].
    """
    ancestors: list[str] = []
    pid = posix.getppid()
    try:
        for _ in range(ANCESTORS):
            name, above, started = _read_stat(pid)
            if name in REAPERS:
                break
            ancestors.append(f"{pid}:{started}")
            if name not in SHELLS:
                break
            pid = above
    except (OSError, ValueError, IndexError):
        # There is no /proc, or a process ended meanwhile: return those below it.
        return ancestors or [str(pid)]
    return ancestors


def list_labels() -> list[str]:
    """Return the labels that the environment gives a session, each as ``key=value``.

    Example: STRETTO_PATTERN=release and STRETTO_LABELS=arm=B,team=a give pattern=release, arm=B, team=a.
    """
    pattern, labels = _read_variable("STRETTO_PATTERN"), _read_variable("STRETTO_LABELS")
    texts = [f"pattern={pattern}"] if pattern else []
    texts += labels.split(",") if labels else []
    # What is no label is left out: a hook cannot complain.
    pairs = [text.partition("=") for text in texts]
    names = [(key.strip(), value.strip()) for key, _, value in pairs]
    return [f"{_read_name(key)}={_read_name(value)}" for key, value in names if key and value][:LABEL_LIMIT]


def identify_boot_and_pid_namespace() -> str | None:
    """Return the boot of the system and the pid namespace, or None if there is no ``/proc``.

    Only a process of the same boot and namespace may conclude from a pid that a process has ended: elsewhere
    the pid belongs to another process, or to none.
    """
    try:
        descriptor = posix.open("/proc/sys/kernel/random/boot_id", posix.O_RDONLY)
        try:
            boot = posix.read(descriptor, ID_LIMIT).decode("ascii").strip()
        finally:
            posix.close(descriptor)
        # The link reads pid:[4026531836].
        namespace = posix.readlink("/proc/self/ns/pid").partition("[")[2].rstrip("]")  # noqa: PTH115  pathlib costs
    except (OSError, ValueError):
        return None
    return f"{boot}/{namespace}" if boot and namespace else None


def identify_process(pid: int) -> str:
    """Return ``pid:started`` with the start in clock ticks since boot, or ``pid`` if there is no ``/proc``.

    The system reuses a pid, but not together with the same start.
    """
    try:
        return f"{pid}:{_read_stat(pid)[2]}"
    except (OSError, ValueError, IndexError):
        return str(pid)


def _read_stat(pid: int) -> tuple[str, int, int]:
    """Return name, parent and start of a process: fields 2, 4 and 22 of proc_pid_stat(5)."""
    descriptor = posix.open(f"/proc/{pid}/stat", posix.O_RDONLY)
    try:
        line = posix.read(descriptor, 4096)
    finally:
        posix.close(descriptor)
    # The name may contain blanks and brackets.
    name, _, rest = line.partition(b"(")[2].rpartition(b") ")
    fields = rest.split()
    return name.decode("ascii", "replace"), int(fields[1]), int(fields[19])


def _read_collection(state: str | None) -> str:
    """Return what is not to be collected: words of the environment, else of the file beside the journal."""
    level = _read_variable("STRETTO_FEATURES_LEVEL")
    if level in LEVELS:
        return level
    try:
        descriptor = posix.open(f"{state}/hook/collect", posix.O_RDONLY)
    except OSError:
        return ""
    try:
        words = posix.read(descriptor, 256).decode("ascii", "replace")
    finally:
        posix.close(descriptor)
    # A damaged file must lose nothing.
    return words if words.partition(" ")[0].strip() in LEVELS else ""


def list_test_commands(state: str | None) -> list[str]:
    """Return the configured test commands: the lines of a file beside the journal."""
    try:
        descriptor = posix.open(f"{state}/hook/test_commands", posix.O_RDONLY)
    except OSError:
        return []
    try:
        return posix.read(descriptor, CHUNK).decode("utf-8", "replace").splitlines()
    finally:
        posix.close(descriptor)


def _read_key(state: str | None) -> bytes:
    """Return this installation's secret, or nothing; without it nothing is hashed.

    The secret lies beside the installed copy of the client. A plugin has its own copy without a secret.
    """
    for folder in (__file__.removesuffix("client.py"), f"{state}/hook/"):
        try:
            with open(folder + "key", "rb") as secret:  # noqa: PTH123  pathlib costs
                return secret.read()
        except OSError:
            pass
    return b""


def _load_beside(name: str) -> "dict[str, Any]":
    """Load a module of this file's folder, compiled or from source, and return its names."""
    try:
        # This name is found in the package as well as in the folder of the installed copy.
        return vars(__import__(f"{__package__}.{name}" if __package__ else name, fromlist=["*"]))
    except Exception:  # noqa: BLE001  a damaged cache can fail in any way
        scope: dict[str, Any] = {"__name__": name}
        folder = __file__.removesuffix("client.py")
        with open(f"{folder}{name}.py", encoding="utf-8") as source:  # noqa: PTH123  pathlib costs
            exec(source.read(), scope)  # noqa: S102  the same file as in the import above
        return scope


def _read_variable(name: str) -> str | None:
    """Return the value of an environment variable; posix keeps it in bytes, os in strings."""
    environment: dict[Any, Any] = {**posix.environ}
    value = environment.get(name.encode(), environment.get(name))
    return value.decode(sys.getfilesystemencoding(), "surrogateescape") if type(value) is bytes else value


def _find_state(arguments: list[str]) -> str | None:
    """Return the state folder: STRETTO_STATE, else the argument, else the XDG Base Directory for state."""
    configured = _read_variable("STRETTO_STATE") or (arguments[0] if arguments else None)
    if configured:
        return configured
    base, home = _read_variable("XDG_STATE_HOME"), _read_variable("HOME")
    if base:
        return f"{base}/stretto"
    return f"{home}/.local/state/stretto" if home else None


def _append_line(folder: str, line: bytes) -> None:
    """Append a line with a single write call: O_APPEND keeps it whole among other writing processes."""
    year, month, day = time.gmtime(ARRIVED // 1_000_000_000)[:3]
    path = f"{folder}/{year:04}-{month:02}-{day:02}.jsonl"
    flags = posix.O_WRONLY | posix.O_APPEND | posix.O_CREAT
    # A pipe in place of the file must fail, not block; Windows must not turn "\n" into two characters.
    flags |= getattr(posix, "O_NONBLOCK", 0) | getattr(posix, "O_BINARY", 0)
    try:
        descriptor = posix.open(path, flags, 0o600)
    except FileNotFoundError:
        _make_folder(folder)
        descriptor = posix.open(path, flags, 0o600)
    posix.write(descriptor, line)


def _make_folder(folder: str) -> None:
    """Make a folder and those above it, private to the user; a failure shows when the file is opened."""
    parts = folder.split("/")
    for count in range(1, len(parts) + 1):
        try:  # noqa: SIM105  contextlib costs too much
            posix.mkdir("/".join(parts[:count]), 0o700)  # noqa: PTH102  pathlib likewise
        except OSError:
            pass  # usually it exists already, or another hook was faster


if __name__ == "__main__":
    main(sys.argv[1:])
