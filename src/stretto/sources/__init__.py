"""Sources: what comes from outside, turned into events."""
