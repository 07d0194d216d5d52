"""Choose the arm of a session in an experiment, through OpenFeature if the program has it.

An arm is a flag of the type text, ``stretto.experiments.NAME``. So any flag service can assign sessions, and
Stretto judges the result by the sessions' labels. ``stretto experiment assign`` hands the arm to a program
in ``STRETTO_LABELS``, which counts if no provider knows the flag.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from stretto.features.ask_open_feature_provider import ask_open_feature
from stretto.features.feature_state_in_program import is_part_on_for_program

EXPERIMENTS = "experiments"
FLAG = "stretto.experiments."


def choose_arm(
    experiment: str,
    *,
    usual: str = "A",
    label: str = "arm",
    session: str | None = None,
    environ: Mapping[str, str] | None = None,
) -> str:
    """Return the arm of this program's session.

    ``usual`` is the arm of the usual way: the answer if nobody has assigned an arm, and while experiments are
    switched off. ``session`` is the targeting key, by which a provider assigns the same arm again. ``label``
    is the key of the session's label, as the experiment defines it. Give the arm to the session:
    ``stretto.session(labels={"arm": arm})``.
    """
    environ = os.environ if environ is None else environ
    if not ask_open_feature(
        f"stretto.{EXPERIMENTS}", default=is_part_on_for_program(EXPERIMENTS, environ), targeting_key=session
    ):
        return usual
    assigned = read_assigned_arm(environ, label) or usual
    return ask_open_feature(FLAG + experiment, default=assigned, targeting_key=session)


def read_assigned_arm(environ: Mapping[str, str], label: str = "arm") -> str | None:
    """Return the arm that ``STRETTO_LABELS`` names, or None. Its form is ``key=value``, by commas."""
    for pair in environ.get("STRETTO_LABELS", "").split(","):
        key, _, value = pair.partition("=")
        if key.strip() == label and value.strip():
            return value.strip()
    return None
