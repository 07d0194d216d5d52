"""Format numbers, durations and instants for people: shared by the page and the terminal."""
