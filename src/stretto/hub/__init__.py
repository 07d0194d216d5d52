"""The hub: receives sessions that machines ship, keeps them in an engine, and shows teams their figures."""
