"""The model: events, facts, entities and intervals. Standard library only."""
