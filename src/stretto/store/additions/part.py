"""Part: one of the independent contributions of a session to the sums."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from stretto.figures.parallel import Fanout, SequentialRun
from stretto.model.conclude import Classify
from stretto.model.cost import Price, as_said
from stretto.model.entities import Session
from stretto.model.facts import Facts
from stretto.model.scale import SCALES, Scales
from stretto.store.rollup import Additions


@dataclass(frozen=True, slots=True)
class Settling:
    """A session while it is being settled: its turns and tasks are concluded, the rest is in the facts."""

    facts: Facts
    session: Session
    fanouts: tuple[Fanout, ...]
    sequential_runs: tuple[SequentialRun, ...]
    closed: bool
    """Whether nothing more can come: what has no end is over."""
    lost: bool
    classify: Classify
    price: Price = as_said
    scales: Scales = SCALES


@dataclass(frozen=True, slots=True)
class Part:
    """What one kind of entity adds to the sums.

    ``kinds`` are the kinds of facts (``facts.KINDS``) that it depends on: it is worked out again when one of
    them has changed. ``session`` stands for any change, and for the session's end.
    """

    kinds: frozenset[str]
    additions: Callable[[Settling], Additions]
