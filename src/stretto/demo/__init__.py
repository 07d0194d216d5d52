"""Sessions for an empty store: two real recordings, and a simulated month."""
