"""The Grafana dashboards, built from the table of names; ``grafana/dashboards`` holds what comes out."""
