"""Scores: weighted means of known parts, with all parts told, the coverage, and why one is withheld."""
