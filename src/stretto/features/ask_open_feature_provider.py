"""Ask the OpenFeature provider of the program, if it has one."""

from __future__ import annotations

import sys
from typing import TypeVar

Answer = TypeVar("Answer", bool, str)


def ask_open_feature(flag: str, *, default: Answer, targeting_key: str | None = None) -> Answer:
    """Return the provider's answer; the default if there is no provider, no such flag, or an error.

    ``targeting_key`` tells the provider whom the answer is for.
    """
    if "openfeature.api" not in sys.modules:
        # A program that uses OpenFeature has loaded it.
        return default
    from openfeature import api  # noqa: PLC0415  # see above
    from openfeature.evaluation_context import EvaluationContext  # noqa: PLC0415  # likewise
    from openfeature.provider.no_op_provider import NoOpProvider  # noqa: PLC0415  # likewise

    client = api.get_client()
    if isinstance(client.provider, NoOpProvider):
        return default
    context = EvaluationContext(targeting_key=targeting_key)
    if isinstance(default, bool):
        return client.get_boolean_value(flag, default, context)
    return client.get_string_value(flag, default, context)
