"""The way out by OTLP: finished sessions as OpenTelemetry spans, and the sender that never blocks."""
