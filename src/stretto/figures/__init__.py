"""Figures: pure arithmetic on entities and on sums of them."""
