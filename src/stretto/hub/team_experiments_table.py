"""The table of teams' experiments, in the database of the sessions, so that all hubs answer the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class StoredExperiment:
    """An experiment as the database keeps it."""

    team: str
    name: str
    day: int
    """Number of the UTC day of its planned end."""
    at: int
    """When this state of it was stored (ns)."""
    document: bytes
    """The experiment as JSON (``team_experiment.make_stored_experiment``)."""


class ExperimentTable(Protocol):
    """Keeps the newest state of each experiment. Every method raises EngineError as engines do."""

    def write_experiment(self, tenant: str, experiment: StoredExperiment, *, replaces: int | None) -> bool:
        """Store a state durably unless another hub was faster; return whether it was stored.

        ``replaces`` is the ``at`` of the state that it takes the place of; None for a new experiment.
        """

    def list_experiments(self, tenant: str) -> list[StoredExperiment]:
        """Return the experiments of a tenant by team and name."""
