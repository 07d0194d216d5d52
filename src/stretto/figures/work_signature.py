"""Identify the work of a parallel execution or a sequential run: only equal work is compared.

Work is identified by project and repository, named pattern, and the multiset of (agent, task type) of all its
tasks, whatever their outcome. A missing value is no identity: without a pattern there is nothing in common.

Example: two reviews by ``critic`` in the pattern ``release`` of the project ``shop`` have the signature
``review,review#`` and a hash; the same reviews outside a pattern have the signature ``review,review``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from stretto.model.entities import Session, Task
from stretto.model.task_type import OTHER
from stretto.names import NONE

_MARK = "#"
"""Separates the task types of a signature from the hash of the identity."""

_HASH_LENGTH = 16
_encode_compactly = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class WorkIdentity:
    """The identity of some work."""

    project: str | None
    pattern: str | None
    workers: tuple[tuple[str, str], ...]
    """(agent, task type) of each task, sorted, repeats kept."""
    repository: str | None = None
    """What tells the project from another one of the same name, if it is known."""

    @property
    def gap(self) -> str | None:
        """Why this work cannot be identified, so that nothing was measured of it; None if it can."""
        if not self.pattern or self.pattern == NONE:
            return "its session follows no named pattern"
        if not self.project or self.project == NONE:
            return "its session belongs to no known project"
        if any(task_type == OTHER for _, task_type in self.workers):
            return f"a task in it is of type {OTHER}, which may be anything"
        return None

    @property
    def signature(self) -> str:
        """The task types, sorted and joined by commas, then the hash of the identity if there is one."""
        types = build_signature_without_identity(task_type for _, task_type in self.workers)
        if self.gap is not None:
            return types
        project = self.project if self.repository is None else [self.project, self.repository]
        text = json.dumps([project, self.pattern, self.workers], ensure_ascii=True)
        return f"{types}{_MARK}{sha256(text.encode()).hexdigest()[:_HASH_LENGTH]}"

    def encode_workers(self) -> str:
        """Return the agents and task types as a text, equal for equal work."""
        return _encode_compactly(self.workers)


def identify_work(session: Session, tasks: Iterable[Task]) -> WorkIdentity:
    """Return the identity of tasks of a session."""
    return make_work_identity(session.project, session.pattern, session.repository, tasks)


def make_work_identity(
    project: str | None, pattern: str | None, repository: str | None, tasks: Iterable[Task]
) -> WorkIdentity:
    """Return the identity of tasks of a session of this project, pattern and repository."""
    workers = sorted((task.agent or NONE, task.task_type) for task in tasks)
    return WorkIdentity(project, pattern, tuple(workers), repository)


def build_work_signature(session: Session, tasks: Iterable[Task]) -> str:
    """Return the signature of tasks of a session."""
    return identify_work(session, tasks).signature


def decode_workers(encoded_workers: str) -> tuple[tuple[str, str], ...]:
    """Return the agents and task types that ``encode_workers`` wrote."""
    return tuple((agent, task_type) for agent, task_type in json.loads(encoded_workers))


def list_signature_task_types(signature: str) -> list[str]:
    """Return the task types of a signature, sorted, repeats kept."""
    return signature.partition(_MARK)[0].split(",")


def build_signature_without_identity(task_types: Iterable[str]) -> str:
    """Return the signature of these task types without an identity."""
    return ",".join(sorted(task_types))


def has_work_identity(signature: str) -> bool:
    """Return whether a signature has an identity, so that a measured baseline is possible."""
    return _MARK in signature
