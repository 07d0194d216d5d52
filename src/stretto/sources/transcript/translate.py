"""Assembly: the lines of one transcript in, events out.

Identity is the agent's own, so that what hooks and OTLP report merges with it: a call is its ``tool_use`` id,
a task its agent's id, a model call its message's id, a turn its prompt's id (its line's in clients that write
none). A line that is copied or read again therefore changes nothing. What the lines do not say stays out: how
a session ended, how long a model call took, when a call really began (its line is written when the model has
said it: the time to its result is an upper bound that holds waiting for permission, hooks and, where a model
asks for several tools at once, the rest of what it says).
"""

from __future__ import annotations

import msgspec

from stretto.hook.client import tool_results as work
from stretto.hook.client.client import WORKING
from stretto.model.event import LATEST, Kind, Outcome, Value, present
from stretto.model.facts import DELEGATES
from stretto.sources.transcript import classify as words
from stretto.sources.transcript import schema as shape
from stretto.sources.transcript.checkpoint import Carry, Transcript
from stretto.sources.transcript.event_log import Account, Place

SYNTHETIC = "<synthetic>"
"""The model's name on lines that the client wrote itself."""

_ENDS = ("end_turn", "stop_sequence")
"""Why a model stops that has said all it had to say."""

_TOKENS = {
    "input_tokens": "input_tokens",
    "output_tokens": "output_tokens",
    "cache_read_input_tokens": "cache_read_tokens",
    "cache_creation_input_tokens": "cache_write_tokens",
}


class Assembly:
    """The reading of one file at work: takes its lines in their order, collects events in its account."""

    def __init__(self, transcript: Transcript, carry: Carry, key: bytes, *, latest: int = LATEST) -> None:
        self.account = Account(transcript, carry)
        self._file = transcript
        self._key = key
        self._latest = latest

    def take(self, line: shape.Line) -> str | None:
        """Take one line; return in a few words why it could not be read, or None. Never raises."""
        if line.forked_from is not None:
            return None  # a branch's copy: the session it was copied from has it, and would be counted twice
        told = line.type in ("user", "assistant")
        time = shape.instant(line.timestamp)
        if time is None:
            return "no time" if told else None
        if time > self._latest:
            return "time in the future"
        session = shape.identity(line.session_id) or self._file.session
        if session is None:
            return "no session id" if told else None
        place = self._place(line, session, time)
        if place.main:
            if not self.account.opened(session):
                self.account.open(place, _project(line))
        elif self._file.agent is not None:
            self.account.begin(place)
        return self._read(line, place)

    def _place(self, line: shape.Line, session: str, time: int) -> Place:
        if self._file.is_helper:
            return Place(session, time, None, main=False)
        agent = shape.identity(line.agent_id) or self._file.agent
        if self._file.agent is None and line.is_sidechain is not True:
            return Place(session, time, None, main=True)
        return Place(session, time, agent or self._chain(line, session, time), main=False)

    def _chain(self, line: shape.Line, session: str, time: int) -> str | None:
        # Old clients keep sidechains in the main file and give their agents no id: the first line's serves.
        own = shape.identity(line.uuid)
        root = self.account.chain(own, shape.identity(line.parent_uuid))
        if own is not None and own == root:
            self.account.begin(Place(session, time, root, main=False))
        return root

    def _read(self, line: shape.Line, place: Place) -> str | None:
        if line.type == "assistant":
            return self._assistant(line, place)
        if line.type == "user":
            return self._user(line, place)
        if line.type == "progress":
            return self._progress(line, place)
        if line.type == "queue-operation" and line.operation == "enqueue":
            self._queued(line, place)
        elif line.type == "system":
            self._system(line, place)
        elif line.type == "api-request" and (request := shape.identity(line.id)):
            self.account.sends(request, place.time)
        return None

    # The model's lines.

    def _assistant(self, line: shape.Line, place: Place) -> str | None:
        message = shape.part(shape.MESSAGE, line.message)
        if message is None:
            return "unexpected shape"
        if line.is_api_error_message is True:
            if place.main:
                self.account.end(place, Outcome.FAILURE)
            return None
        if message.model == SYNTHETIC:
            return None
        self._model_call(line, message, place)
        blocks = words.blocks_of(message.content)
        calls = [block for block in blocks if block.type == "tool_use"]
        for call in calls:
            self._tool_start(call, line, place)
        if calls:
            self.account.answered(place, None)
        elif any(block.type == "text" for block in blocks):
            if message.stop_reason in _ENDS:
                self.account.end(place, Outcome.SUCCESS)
            else:
                # Older clients do not say why the model stopped; one that ran out of tokens has not answered.
                self.account.answered(place, place.time if message.stop_reason is None else None)
        return None

    def _model_call(self, line: shape.Line, message: shape.Message, place: Place) -> None:
        """Tell of a request once, and again where a later line of the same message counts more tokens.

        Its time is when it was sent where the client writes that, else when its first block was complete.
        """
        id = shape.identity(message.id)
        if id is None:
            return
        usage = shape.part(shape.USAGE, message.usage)
        tokens = {
            name: number
            for field, name in _TOKENS.items()
            if usage is not None and (number := shape.count(getattr(usage, field))) is not None
        }
        news = self.account.counts(id, tokens)
        if news is not None:
            self.account.tell(
                Kind.MODEL_CALL,
                place._replace(time=self.account.sent(shape.identity(line.request_ref), place.time)),
                id=id,
                name=shape.name(message.model),
                outcome=Outcome.SUCCESS,
                attributes={**news, **present(request=shape.identity(line.request_id))},
            )

    def _tool_start(self, block: shape.Block, line: shape.Line, place: Place) -> None:
        id, name = shape.identity(block.id), shape.name(block.name)
        if id is None:
            return
        attributes: dict[str, Value] = {}
        if name:
            self.account.calls(id, name)
        order = shape.part(shape.ORDER, block.input) if name in DELEGATES else None
        if order is not None:
            attributes |= present(
                agent=shape.name(order.subagent_type),
                description=shape.name(order.description),
                background=order.run_in_background if isinstance(order.run_in_background, bool) else None,
            )
        if name in WORKING:
            self._work(id, name, block, line)
        self.account.tell(Kind.TOOL_START, place, id=id, name=name, attributes=attributes)

    def _work(self, id: str, name: str, block: shape.Block, line: shape.Line) -> None:
        asked = shape.part(shape.WORK, block.input)
        if asked is None:
            return
        order = msgspec.structs.asdict(asked)
        about = {
            "test_framework": work.framework_of(name, order),
            "wrote": work.written(name, order, line.cwd, self._key),
        }
        told = {what: value for what, value in about.items() if value is not None}
        if told:
            self.account.works(id, told)

    # The user's lines: prompts, and the results of tools.

    def _user(self, line: shape.Line, place: Place) -> str | None:
        message = shape.part(shape.MESSAGE, line.message)
        if message is None:
            return "unexpected shape"
        blocks = words.blocks_of(message.content)
        results = [block for block in blocks if block.type == "tool_result"]
        for block in results:
            self._tool_end(block, line.tool_use_result if len(results) == 1 else shape.RAW, place)
        if results:
            self.account.answered(place, None)
        elif line.is_meta is not True and line.is_compact_summary is not True:
            text = words.text_of(message.content)
            if text is not None or blocks:
                self._said(text or "", line, place)
        return None

    def _said(self, text: str, line: shape.Line, place: Place) -> None:
        if text.startswith(words.INTERRUPT):
            self.account.end(place, Outcome.CANCELLED)
        elif place.agent is not None:
            self.account.begin(place, again=True)
        elif place.main and words.is_prompt(text):
            self._turn(text, line, place)

    def _turn(self, text: str, line: shape.Line, place: Place) -> None:
        notice = words.notice_of(text)
        attributes = _project(line) | {"prompt_length": len(text)}
        if notice is not None:
            attributes |= notice.attributes
        elif command := words.command_of(text):
            attributes["command"] = command
        host = notice is not None or line.prompt_source == "system"
        id = shape.identity(line.prompt_id) or shape.identity(line.uuid)
        self.account.turn(place, id, "host" if host else "user", attributes)

    def _tool_end(self, block: shape.Block, answer: msgspec.Raw, place: Place) -> None:
        id = shape.identity(block.tool_use_id)
        if id is None:
            return
        name = self.account.called(id)
        outcome = Outcome.SUCCESS
        attributes: dict[str, Value] = {}
        worked = self.account.worked(id)
        if block.is_error is True:
            outcome, attributes = words.failure_of(block.content)
        attributes |= _went(worked, block, outcome)
        # What another vendor's tool calls an agent's id or a duration is part of its answer, and stays out.
        foreign = name is not None and name.startswith("mcp__")
        result = None if foreign else shape.part(shape.RESULT, answer)
        if result is not None:
            attributes = self._delegated(result, id, outcome, place) | attributes
        self.account.tell(
            Kind.TOOL_END,
            place,
            id=id,
            name=name,
            duration=None if result is None else shape.milliseconds(result.duration_ms),
            outcome=outcome,
            attributes=attributes,
        )

    def _delegated(self, result: shape.Result, call: str, outcome: Outcome, place: Place) -> dict[str, Value]:
        """Tell of the agent that a call has started or waited for; return what its end says of it."""
        agent, status = shape.token(result.agent_id), shape.word(result.status)
        if agent is None:
            return {}
        took = shape.milliseconds(result.total_duration_ms)
        name, about = shape.name(result.agent_type), {"delegated_by": call}
        if status is not None and status.endswith("_launched"):
            # The call's line is older than the agent, which starts when the model has said all it had to say.
            self.account.tell(Kind.TASK_START, place, id=agent, name=name, attributes=about)
            self.account.runs(agent, place.session)
        elif took is not None:
            began = place._replace(time=max(1, place.time - took))
            self.account.tell(Kind.TASK_START, began, id=agent, name=name, attributes=about)
            self.account.tell(
                Kind.TASK_END, place, id=agent, name=name, duration=took, outcome=outcome, attributes=about
            )
            self.account.stopped(agent, place.session)
        return present(
            task=agent,
            status=status,
            task_duration_ms=shape.count(result.total_duration_ms),
            task_tool_calls=shape.count(result.total_tool_use_count),
        )

    # The client's lines.

    def _progress(self, line: shape.Line, place: Place) -> str | None:
        progress = shape.part(shape.PROGRESS, line.data)
        if progress is None or progress.type != "agent_progress":
            return None
        agent, copied = shape.token(progress.agent_id), shape.part(shape.LINE, progress.message)
        if agent is None or copied is None:
            return None
        time = shape.instant(copied.timestamp)
        if time is None or time > self._latest:
            time = place.time
        inside = Place(place.session, time, agent, main=False)
        self.account.begin(inside, delegated_by=shape.identity(line.parent_tool_use_id))
        if copied.type == "assistant":
            return self._assistant(copied, inside)
        return self._user(copied, inside) if copied.type == "user" else None

    def _queued(self, line: shape.Line, place: Place) -> None:
        text = shape.part(shape.TEXT, line.content) or ""
        notice = words.notice_of(text)
        if notice is not None and notice.task is not None:
            attributes = dict(notice.attributes)
            del attributes["task"]
            self.account.tell(
                Kind.TASK_END,
                place,
                id=notice.task,
                duration=notice.duration,
                outcome=notice.outcome,
                attributes=attributes,
            )
            self.account.stopped(notice.task, place.session)
        elif text.startswith('{"task_id"'):
            started = shape.part(shape.STARTED, text.encode())
            if started is not None and started.task_type == "local_agent":
                self.account.begin(
                    place._replace(agent=shape.token(started.task_id)),
                    delegated_by=shape.identity(started.tool_use_id),
                )

    def _system(self, line: shape.Line, place: Place) -> None:
        if line.subtype == "compact_boundary":
            compaction = shape.part(shape.COMPACTION, line.compact_metadata) or shape.Compaction()
            self.account.tell(
                Kind.COMPACTION_END,
                place,
                type=shape.word(compaction.trigger),
                duration=shape.milliseconds(compaction.duration_ms),
            )
        elif place.main and line.subtype in ("turn_duration", "stop_hook_summary"):
            self.account.settle(place.session)


def _went(worked: dict[str, str], block: shape.Block, outcome: Outcome) -> dict[str, Value]:
    """Return which file a call has written, or how the tests went that it ran."""
    told: dict[str, Value] = {}
    if "wrote" in worked and outcome is Outcome.SUCCESS:
        told["wrote"] = worked["wrote"]
    if "test_framework" in worked and outcome is not Outcome.CANCELLED:
        passed, failed = work.counts_told(words.text_of(block.content) or "")
        told["test_framework"] = worked["test_framework"]
        told |= present(tests_passed=passed, tests_failed=failed)
    return told


def _project(line: shape.Line) -> dict[str, Value]:
    return present(project=shape.last_component(line.cwd))
