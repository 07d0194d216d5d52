"""An OpenFeature provider with Stretto's switches, for programs that ask for flags by OpenFeature alone.

``openfeature.api.set_provider(StrettoProvider())``: ``stretto.caching`` and every other switch by its name,
and ``stretto.experiments.NAME`` with the arm that ``stretto experiment assign`` put into the environment.
It needs the extra ``stretto[features]``.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from openfeature.evaluation_context import EvaluationContext
from openfeature.exception import ErrorCode
from openfeature.flag_evaluation import FlagResolutionDetails, FlagValueType, Reason
from openfeature.provider import AbstractProvider, Metadata

from stretto.features.choose_experiment_arm import EXPERIMENTS, FLAG, read_assigned_arm
from stretto.features.feature_state_in_program import is_part_on_for_program
from stretto.features.feature_switches import FEATURES

PREFIX = "stretto."
Value = TypeVar("Value")


class StrettoProvider(AbstractProvider):
    """Resolves ``stretto.NAME`` to the state of a switch, and ``stretto.NAME.PART`` to that of NAME."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        super().__init__()
        self._environ = os.environ if environ is None else environ

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata("stretto")

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        """Return the state of a switch; the default for a flag that is none of ours."""
        del evaluation_context
        name = flag_key.removeprefix(PREFIX).partition(".")[0]
        if not flag_key.startswith(PREFIX) or name not in FEATURES:
            return _find_no_flag(default_value)
        return FlagResolutionDetails(is_part_on_for_program(name, self._environ), reason=Reason.STATIC)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        """Return the arm of an experiment; the default for a session that was assigned none."""
        del evaluation_context
        arm = read_assigned_arm(self._environ) if flag_key.startswith(FLAG) else None
        if arm is None or not is_part_on_for_program(EXPERIMENTS, self._environ):
            return _find_no_flag(default_value)
        return FlagResolutionDetails(arm, reason=Reason.SPLIT)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        """Return the default: no switch is a number."""
        del flag_key, evaluation_context
        return _find_no_flag(default_value)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        """Return the default: no switch is a number."""
        del flag_key, evaluation_context
        return _find_no_flag(default_value)

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        """Return the default: no switch is an object."""
        del flag_key, evaluation_context
        return _find_no_flag(default_value)


def _find_no_flag(default: Any) -> FlagResolutionDetails[Any]:
    return FlagResolutionDetails(default, reason=Reason.DEFAULT, error_code=ErrorCode.FLAG_NOT_FOUND)
