"""Translate the lines of one transcript into events.

Events carry the client's own ids, so that they merge with the events of hooks and OTLP. A tool call has its
``tool_use`` id, a task its agent's id, a model call its message's id, and a turn its prompt's id (its line's
id if the client writes no prompt id). A line that is copied or read again therefore changes nothing.

Some facts are not in the lines and stay absent: how a session ended, how long a model call took, and when a
tool call really began. A call's line is written when the model has written the call. The time from it to the
result is an upper bound: it includes waiting for permission, hooks, and the rest of the model's message if
the model asks for several tools at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b

import msgspec

from stretto.hook.client import tests_and_written_files
from stretto.hook.client.client import WORKING
from stretto.model.event import LATEST, Kind, Outcome, Value, omit_none
from stretto.model.facts import DELEGATING_TOOLS
from stretto.sources.counts_of_tests import read_counts_of_tests
from stretto.sources.hook_command_names import name_hook_command
from stretto.sources.transcript import schema
from stretto.sources.transcript.event_log_of_one_transcript import EventLog, LineContext
from stretto.sources.transcript.reading_state import Checkpoint, TranscriptFile
from stretto.sources.transcript.recognise_fixed_wordings import (
    INTERRUPT,
    classify_failure,
    find_command,
    get_content_text,
    is_answered_by_model,
    parse_notice,
)
from stretto.sources.working_folder import describe_folder

SYNTHETIC = "<synthetic>"
"""The model's name on lines that the client itself wrote."""

_ENDS = ("end_turn", "stop_sequence")
"""Stop reasons of a complete answer."""


class LineTranslator:
    """Translates the lines of one file, in their order, and collects the events in ``log``."""

    def __init__(
        self,
        transcript: TranscriptFile,
        checkpoint: Checkpoint,
        key: bytes,
        *,
        latest: int = LATEST,
        test_commands: Sequence[str] = (),
    ) -> None:
        self.log = EventLog(transcript, checkpoint)
        self._file = transcript
        self._key = key
        self._test_commands = test_commands
        self._latest = latest

    def translate_line(self, line: schema.TranscriptLine) -> str | None:
        """Add the events of a line; return a short reason if it cannot be read, else None. Never raises."""
        if line.forked_from is not None:
            return None  # a copy in a forked session: the original line counts, and must not count twice
        is_message = line.type in ("user", "assistant")
        time = schema.to_time(line.timestamp)
        if time is None:
            return "no time" if is_message else None
        if time > self._latest:
            return "time in the future"
        own_session = schema.to_id(line.session_id)
        session = own_session or self._file.session
        if session is None or (own_session is None and not self.log.has_session(session)):
            # The file's name alone opens no session: the file may be another program's.
            return "no session id" if is_message else None
        context = self._locate_line(line, session, time)
        if context.main:
            if not self.log.has_session(session):
                self.log.start_session(context, self._get_context(line))
        elif self._file.agent is not None:
            self.log.start_run(context)
        return self._translate_by_type(line, context)

    def _locate_line(self, line: schema.TranscriptLine, session: str, time: int) -> LineContext:
        if self._file.is_helper:
            return LineContext(session, time, None, main=False)
        if self._file.agent is None and line.is_sidechain is not True:
            return LineContext(session, time, None, main=True)
        agent = schema.to_id(line.agent_id) or self._file.agent
        return LineContext(
            session, time, agent or self._find_sidechain_agent(line, session, time), main=False
        )

    def _find_sidechain_agent(self, line: schema.TranscriptLine, session: str, time: int) -> str | None:
        # Old clients keep sidechains in the main file without agent ids; the first line's id is used.
        line_id = schema.to_id(line.uuid)
        root = self.log.find_chain_root(line_id, schema.to_id(line.parent_uuid))
        if line_id is not None and line_id == root:
            self.log.start_run(LineContext(session, time, root, main=False))
        return root

    def _translate_by_type(self, line: schema.TranscriptLine, context: LineContext) -> str | None:
        if line.type == "assistant":
            return self._translate_assistant(line, context)
        if line.type == "user":
            return self._translate_user(line, context)
        if line.type == "progress":
            return self._translate_progress(line, context)
        if line.type == "queue-operation" and line.operation == "enqueue":
            self._translate_queued(line, context)
        elif line.type == "system":
            self._translate_system(line, context)
        elif line.type == "api-request" and (request := schema.to_id(line.id)):
            self.log.note_request(request, context.time)
        return None

    # Lines of the model.

    def _translate_assistant(self, line: schema.TranscriptLine, context: LineContext) -> str | None:
        message = schema.decode_message(line.message)
        if message is None:
            return "unexpected shape"
        if line.is_api_error_message is True:
            if context.main:
                self.log.end_turn_or_run(context, Outcome.FAILURE)
            return None
        if message.model == SYNTHETIC:
            return None
        self._add_model_call(line, message, context)
        blocks = message.blocks
        calls = [block for block in blocks if block.type == "tool_use"]
        for call in calls:
            self._start_tool(call, line, context)
        if calls:
            self.log.note_answer(context, None)
        elif any(block.type == "text" for block in blocks):
            if message.stop_reason in _ENDS:
                self.log.end_turn_or_run(context, Outcome.SUCCESS)
            else:
                # Older clients write no stop reason. A model that ran out of tokens has not answered.
                self.log.note_answer(context, context.time if message.stop_reason is None else None)
        return None

    def _add_model_call(
        self, line: schema.TranscriptLine, message: schema.TranscriptMessage, context: LineContext
    ) -> None:
        """Report a model call once, and again if a later line of the same message counts more tokens.

        Its time is the time of sending if the client writes it, else the time of its first complete block.
        """
        id = schema.to_id(message.id)
        if id is None:
            return
        tokens = _read_tokens(message.usage)
        if tokens:
            # Some clients write no more than the stream's first usage, which has hardly any output yet.
            tokens["complete"] = 0 if message.stop_reason is None else 1
        grown_tokens = self.log.merge_usage(id, tokens)
        if grown_tokens is not None:
            self.log.add_event(
                Kind.MODEL_CALL,
                context._replace(
                    time=self.log.get_request_time(schema.to_id(line.request_ref), context.time)
                ),
                id=id,
                name=schema.to_cut_name(message.model),
                outcome=Outcome.SUCCESS,
                attributes={**grown_tokens, **omit_none(request=schema.to_id(line.request_id))},
            )

    def _start_tool(
        self, block: schema.ContentBlock, line: schema.TranscriptLine, context: LineContext
    ) -> None:
        id, name = schema.to_id(block.id), schema.to_cut_name(block.name)
        if id is None:
            return
        attributes: dict[str, Value] = {}
        if name:
            self.log.remember_tool(id, name)
        delegation = schema.decode_part(schema.DELEGATION, block.input) if name in DELEGATING_TOOLS else None
        if delegation is not None:
            background = delegation.run_in_background
            attributes |= omit_none(
                agent=schema.to_cut_name(delegation.subagent_type),
                description=schema.to_cut_name(delegation.description),
                background=background if isinstance(background, bool) else None,
            )
        if name in WORKING:
            self._remember_work(id, name, block, line)
        self.log.add_event(Kind.TOOL_START, context, id=id, name=name, attributes=attributes)

    def _remember_work(
        self, id: str, name: str, block: schema.ContentBlock, line: schema.TranscriptLine
    ) -> None:
        decoded = schema.decode_part(schema.TOOL_INPUT, block.input)
        if decoded is None:
            return
        tool_input = msgspec.structs.asdict(decoded)
        facts = {
            "test_framework": tests_and_written_files.find_framework(name, tool_input, self._test_commands),
            "wrote": tests_and_written_files.hash_written_paths(name, tool_input, line.cwd, self._key),
            "new_files": tests_and_written_files.count_new_files(name, tool_input),
        }
        work = {key: value for key, value in facts.items() if value is not None}
        if work:
            self.log.remember_work(id, work)

    # Lines of the user: prompts, and the results of tools.

    def _translate_user(self, line: schema.TranscriptLine, context: LineContext) -> str | None:
        message = schema.decode_message(line.message)
        if message is None:
            return "unexpected shape"
        blocks = message.blocks
        results = [block for block in blocks if block.type == "tool_result"]
        for block in results:
            self._end_tool(block, line.tool_use_result if len(results) == 1 else schema.ABSENT, context)
        if results:
            self.log.note_answer(context, None)
        elif line.is_meta is not True and line.is_compact_summary is not True:
            text = get_content_text(message.content)
            if text is not None or blocks:
                self._translate_prompt(text or "", line, context)
        return None

    def _translate_prompt(self, text: str, line: schema.TranscriptLine, context: LineContext) -> None:
        if text.startswith(INTERRUPT):
            self.log.end_turn_or_run(context, Outcome.CANCELLED)
        elif context.agent is not None:
            self.log.start_run(context, again=True)
        elif context.main and is_answered_by_model(text):
            self._start_turn(text, line, context)

    def _start_turn(self, text: str, line: schema.TranscriptLine, context: LineContext) -> None:
        notice = parse_notice(text)
        attributes = self._get_context(line) | {"prompt_length": len(text)}
        if notice is not None:
            attributes |= notice.attributes
        elif command := find_command(text):
            attributes["command"] = command
        is_hosts = notice is not None or line.prompt_source == "system"
        id = schema.to_id(line.prompt_id) or schema.to_id(line.uuid)
        self.log.start_turn(context, id, "host" if is_hosts else "user", attributes)

    def _get_context(self, line: schema.TranscriptLine) -> dict[str, Value]:
        """Return where the session works and the circumstances that may explain a difference."""
        return describe_folder(line.cwd, self._key) | omit_none(
            client_version=schema.to_version(line.version),
            permission_mode=schema.to_token(line.permission_mode),
            branch=_hash_branch(line.git_branch, self._key) if isinstance(line.git_branch, str) else None,
        )

    def _end_tool(self, block: schema.ContentBlock, answer: msgspec.Raw, context: LineContext) -> None:
        id = schema.to_id(block.tool_use_id)
        if id is None:
            return
        name = self.log.pop_tool(id)
        outcome = Outcome.SUCCESS
        attributes: dict[str, Value] = {}
        work = self.log.pop_work(id)
        if block.is_error is True:
            outcome, attributes = classify_failure(block.content)
        # Fields of an MCP tool's answer may have the same names with other meanings, so they are not read.
        is_mcp = name is not None and name.startswith("mcp__")
        result = None if is_mcp else schema.decode_part(schema.TOOL_RESULT, answer)
        attributes |= _get_work_result(work, block, outcome)
        if "wrote" in attributes:
            kind = None if result is None else result.type
            new_files = work.get("new_files", tests_and_written_files.read_new_file(name, kind))
            attributes |= omit_none(new_files=new_files)
        if result is not None:
            attributes = self._add_delegated_run(result, id, outcome, context) | attributes
        self.log.add_event(
            Kind.TOOL_END,
            context,
            id=id,
            name=name,
            duration=None if result is None else schema.from_milliseconds(result.duration_ms),
            outcome=outcome,
            attributes=attributes,
        )

    def _add_delegated_run(
        self, result: schema.ToolResult, call: str, outcome: Outcome, context: LineContext
    ) -> dict[str, Value]:
        """Report the run of the agent that a call started or waited for; return attributes of the call's end.

        Example: a result at 100 s with a duration of 40 s gives a task from 60 s to 100 s.
        """
        agent, status = schema.to_token(result.agent_id), schema.to_word(result.status)
        if agent is None:
            return {}
        duration = schema.from_milliseconds(result.total_duration_ms)
        name, attributes = schema.to_cut_name(result.agent_type), {"delegated_by": call}
        if status is not None and status.endswith("_launched"):
            # Not the time of the call's line: the agent starts when the model's message is complete.
            self.log.add_event(Kind.TASK_START, context, id=agent, name=name, attributes=attributes)
            self.log.mark_running(agent, context.session)
        elif duration is not None:
            start = context._replace(time=max(1, context.time - duration))
            self.log.add_event(Kind.TASK_START, start, id=agent, name=name, attributes=attributes)
            self.log.add_event(
                Kind.TASK_END,
                context,
                id=agent,
                name=name,
                duration=duration,
                outcome=outcome,
                attributes=attributes,
            )
            self.log.mark_stopped(agent, context.session)
        return omit_none(
            task=agent,
            status=status,
            task_duration_ms=schema.to_count(result.total_duration_ms),
            task_tool_calls=schema.to_count(result.total_tool_use_count),
            **_read_last_request(result.usage),
        )

    # Lines of the client.

    def _translate_progress(self, line: schema.TranscriptLine, context: LineContext) -> str | None:
        progress = schema.decode_part(schema.PROGRESS, line.data)
        if progress is None or progress.type != "agent_progress":
            return None
        agent, copied = schema.to_token(progress.agent_id), schema.decode_part(schema.LINE, progress.message)
        if agent is None or copied is None:
            return None
        time = schema.to_time(copied.timestamp)
        if time is None or time > self._latest:
            time = context.time
        agent_context = LineContext(context.session, time, agent, main=False)
        self.log.start_run(agent_context, delegated_by=schema.to_id(line.parent_tool_use_id))
        if copied.type == "assistant":
            return self._translate_assistant(copied, agent_context)
        return self._translate_user(copied, agent_context) if copied.type == "user" else None

    def _translate_queued(self, line: schema.TranscriptLine, context: LineContext) -> None:
        text = schema.decode_part(schema.TEXT, line.content) or ""
        notice = parse_notice(text)
        if notice is not None and notice.task is not None:
            attributes = dict(notice.attributes)
            # The event itself has the agent and the duration.
            del attributes["task"]
            attributes.pop("task_duration_ms", None)
            self.log.add_event(
                Kind.TASK_END,
                context,
                id=notice.task,
                duration=notice.duration,
                outcome=notice.outcome,
                attributes=attributes,
            )
            self.log.mark_stopped(notice.task, context.session)
        elif text.startswith('{"task_id"'):
            started = schema.decode_part(schema.TASK_STARTED, text.encode())
            if started is not None and started.task_type == "local_agent":
                self.log.start_run(
                    context._replace(agent=schema.to_token(started.task_id)),
                    delegated_by=schema.to_id(started.tool_use_id),
                )

    def _translate_system(self, line: schema.TranscriptLine, context: LineContext) -> None:
        if line.subtype == "compact_boundary":
            compaction = (
                schema.decode_part(schema.COMPACTION, line.compact_metadata) or schema.CompactionBoundary()
            )
            self.log.add_event(
                Kind.COMPACTION_END,
                context,
                type=schema.to_word(compaction.trigger),
                duration=schema.from_milliseconds(compaction.duration_ms),
            )
        elif context.main and line.subtype in ("turn_duration", "stop_hook_summary"):
            self._add_stop_hooks(line, context)
            self.log.end_answered_turn(context.session)

    def _add_stop_hooks(self, line: schema.TranscriptLine, context: LineContext) -> None:
        """Add the hooks that ran at the end of an answer, where the client timed them."""
        hooks = schema.decode_part(schema.STOP_HOOKS, line.hook_infos)
        for place, hook in enumerate(hooks or ()):
            duration = schema.from_milliseconds(hook.duration_ms)
            if duration is not None and duration < context.time:
                self.log.add_event(
                    Kind.HOOKS_RUN,
                    context._replace(time=context.time - duration),
                    id=f"{context.time}/stop/{place}",
                    name="Stop",
                    duration=duration,
                    attributes=omit_none(command=name_hook_command(hook.command)),
                )


def _read_tokens(usage: schema.TokenUsage | None) -> dict[str, int]:
    if usage is None:
        return {}
    counts = _read_counts(usage)
    if isinstance(usage.cache_creation, dict):
        counts["cache_write_1h_tokens"] = schema.to_count(
            usage.cache_creation.get("ephemeral_1h_input_tokens")
        )
    return {name: count for name, count in counts.items() if count is not None}


def _read_counts(usage: schema.TokenUsage) -> dict[str, int | None]:
    return {
        "input_tokens": schema.to_count(usage.input_tokens),
        "output_tokens": schema.to_count(usage.output_tokens),
        "cache_read_tokens": schema.to_count(usage.cache_read_input_tokens),
        "cache_write_tokens": schema.to_count(usage.cache_creation_input_tokens),
    }


def _read_last_request(usage: msgspec.Raw) -> dict[str, int]:
    """Return the tokens that an agent's last request sent, by which it is recognised, and its output."""
    decoded = schema.decode_part(schema.USAGE, usage)
    if decoded is None:
        return {}
    counts = {name: count or 0 for name, count in _read_counts(decoded).items()}
    output = counts.pop("output_tokens")
    return {"task_prompt_tokens": sum(counts.values()), "task_output_tokens": output} if output else {}


def _get_work_result(
    work: dict[str, str | int], block: schema.ContentBlock, outcome: Outcome
) -> dict[str, Value]:
    """Return the file that a call has written, or the framework and counts of the tests it ran."""
    attributes: dict[str, Value] = {}
    if "wrote" in work and outcome is Outcome.SUCCESS:
        attributes["wrote"] = work["wrote"]
    if "test_framework" in work and outcome is not Outcome.CANCELLED:
        attributes["test_framework"] = work["test_framework"]
        text = get_content_text(schema.decode_content(block.content)) or ""
        attributes |= read_counts_of_tests(text, str(work["test_framework"]))
    return attributes


@lru_cache(maxsize=256)
def _hash_branch(branch: str, key: bytes) -> str | None:
    """Return a keyed hash of a branch's name, which may say what people work on; None without name or key."""
    if not branch or not key:
        return None
    return blake2b(branch.encode("utf-8", "replace"), digest_size=8, key=key, person=b"branch").hexdigest()
