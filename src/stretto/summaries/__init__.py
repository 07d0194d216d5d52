"""Summaries: read the store once, compute every figure, and freeze the result for all surfaces."""
