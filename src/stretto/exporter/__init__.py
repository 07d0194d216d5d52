"""The exporter: derived figures built fresh at each scrape, live counters by OpenTelemetry, one registry, one page."""
