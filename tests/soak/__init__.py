"""The soak: a day of many agents in simulated time."""
