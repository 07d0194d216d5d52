"""Numbers, lengths and instants as text for people: shared by the page and the terminal."""
