"""The store: rows, sums and journal position in SQLite, written by a single writer in common transactions."""
