"""Pi: its session files."""
