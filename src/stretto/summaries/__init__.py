"""Summaries: the store read once, every figure worked out, the answer frozen for all surfaces."""
