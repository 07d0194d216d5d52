"""What each kind of entity adds to the sums; ``parts`` is the table of them."""
