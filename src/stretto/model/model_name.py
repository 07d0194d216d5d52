"""Model names: normalise the spellings of a model to the name used by labels and prices."""

from __future__ import annotations

import re
from functools import lru_cache

from stretto.names import NONE

_REGION_OR_VENDOR = re.compile(
    r"(?:(?:us|eu|apac|global|jp|au|ca|us-gov)\.)?"
    r"(?:amazon|anthropic|cohere|deepseek|google|meta|mistral|openai|qwen|writer)\."
)
"""The prefix of a model id on Amazon Bedrock: region and vendor."""

_SNAPSHOT = re.compile(r"[-@](?:20[0-9]{6}|20[0-9]{2}-[01][0-9]-[0-3][0-9]|latest)$")
"""The release date that Anthropic, Vertex AI and OpenAI append, or ``latest``."""

_REVISION = re.compile(r"-v[0-9]{1,2}(?::[0-9]{1,2})?$")
"""The revision number that Bedrock appends."""


@lru_cache(maxsize=1_024)
def normalise_model(name: str | None) -> str:
    """Return a model's name without its provider, release date and options in brackets.

    ``us.anthropic.claude-sonnet-4-5-20250929-v1:0``, ``anthropic/claude-sonnet-4-5`` and
    ``claude-sonnet-4-5[1m]`` are all ``claude-sonnet-4-5``. An unknown model is ``none``.
    """
    if name is None:
        return NONE
    bare = name.strip().lower().rpartition("/")[2].partition("[")[0]
    match = _REGION_OR_VENDOR.match(bare)
    bare = bare[match.end() :] if match else bare
    bare = _SNAPSHOT.sub("", _REVISION.sub("", bare))
    return bare or NONE
