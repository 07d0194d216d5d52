"""Scores: weighted means of known parts, with every part, the coverage, and the reason if withheld."""
