"""Sources: turn input from outside (OTLP requests, transcripts, recordings, judgements) into events."""
