"""Append input of the running service to the journal: hooks, OTLP requests, scores and samples."""

from __future__ import annotations

from collections.abc import Iterable

from stretto import journal
from stretto.clock import Clock
from stretto.config.configuration import Config
from stretto.features.collection_filter import decide_collection
from stretto.hook.client.client import build_record
from stretto.hook.install.client_copy import ensure_secret, write_collection_words, write_test_commands
from stretto.model.event import Event
from stretto.sources.otlp.claude_code_values import CallWork
from stretto.sources.otlp.receive import TRACE_NOTE_PATTERN, OtlpTranslator, RequestResult, Signal
from stretto.sources.otlp.unread import UnreadItems
from stretto.sources.redact import redact_for_journal


class JournalIntake:
    """Keeps of all input what the configuration collects. Hook clients read the same choice from files."""

    def __init__(self, config: Config, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._secret = ensure_secret(config.state)
        self._collection = decide_collection(config.features)
        write_collection_words(config.state, self._collection.to_hook_line())
        write_test_commands(config.state, config.test_commands)
        self._otlp = OtlpTranslator(
            self._encode_collected,
            work=CallWork(self._secret, config.test_commands),
            dropped=self._collection.dropped_roles,
        )
        self.grpc_attempts = 0
        """Connections that spoke gRPC to the HTTP port."""

    @property
    def unread(self) -> UnreadItems:
        """The OTLP items that no source could be read from."""
        return self._otlp.unread

    def recall_sessions(self) -> None:
        """Know again which traces belong to which sessions, from the journal's recent events."""
        self._otlp.recall_sessions(journal.find_recent_events(self._config.journal, TRACE_NOTE_PATTERN))

    def append_hook(self, payload: bytes) -> None:
        """Append the payload of an HTTP hook. Raises OSError if the journal cannot be written."""
        now = self._clock()
        record = build_record(
            payload,
            now,
            key=self._secret,
            describe=self._config.descriptions,
            test_commands=lambda: list(self._config.test_commands),
            collect=self._collection.to_hook_line(),
        )
        self._append_records(record, now)

    def receive_otlp(
        self, signal: Signal, body: bytes, content_type: str, content_encoding: str
    ) -> RequestResult:
        """Append the events of an OTLP request.

        Raises RefusedError, and OSError if the journal cannot be written.
        """
        now = self._clock()
        received = self._otlp.receive_request(
            signal, body, content_type=content_type, content_encoding=content_encoding, now=now
        )
        self._append_records(received.records, now)
        return received

    def append_events(self, events: Iterable[Event]) -> None:
        """Append events as they are. Raises OSError if the journal cannot be written."""
        self._append_records(b"".join(journal.encode_event(event) for event in events), self._clock())

    def count_grpc_attempt(self) -> None:
        """Count a connection that spoke gRPC to the HTTP port."""
        self.grpc_attempts += 1

    def _encode_collected(self, event: Event) -> bytes:
        """Return the journal's line of an event, or nothing if it is not collected."""
        kept = self._collection.keep_event(event)
        if kept is None:
            return b""
        return journal.encode_event(redact_for_journal(kept, describe=self._config.descriptions))

    def _append_records(self, records: bytes, now: int) -> None:
        # The worker looks at its pace: woken by each hook, it would delay the hook's answer.
        if records:
            journal.append_records(journal.get_day_file(self._config.journal, now), records)
