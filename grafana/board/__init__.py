"""Grafana dashboards, built from the table of names into ``grafana/dashboards``."""
