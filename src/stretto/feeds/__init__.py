"""Feeds that orchestrators and resource managers steer by: each value with its age and its confidence."""
