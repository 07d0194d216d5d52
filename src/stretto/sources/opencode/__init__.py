"""opencode: its SQLite database, which Kilo has in the same form."""
