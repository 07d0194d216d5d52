"""The databases that a hub can keep sessions in: PostgreSQL, ClickHouse, and a file of SQLite for trying."""
