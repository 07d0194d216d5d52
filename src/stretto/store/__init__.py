"""The store: SQLite, one writer; rows, roll-ups and journal position move in one transaction."""
