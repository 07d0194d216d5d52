"""Cache the results of functions and coroutines without ever answering with a stale result.

``cached`` wraps a function. ``get_cache`` returns its cache, to invalidate entries, to warm it, to switch it
off and to read its counts. ``call_part`` keeps the result of a part while the whole is stale.

It needs the extra ``stretto[caching]``. Nothing else of the package imports this room.
"""

from stretto.caching.cache_counts import CacheCounts
from stretto.caching.cached_subresults import Level, call_part
from stretto.caching.call_keys import Environment, UncacheableArgumentError
from stretto.caching.decorator import cached, get_cache
from stretto.caching.frequent_calls_to_warm_up import FrequentCalls
from stretto.caching.function_cache import FunctionCache
from stretto.caching.task_structure_similarity import SimilarAnswer, compute_similarity

__all__ = [
    "CacheCounts", "Environment", "FrequentCalls", "FunctionCache", "Level", "SimilarAnswer",
    "UncacheableArgumentError", "cached", "call_part", "compute_similarity", "get_cache",
]  # fmt: skip
