"""Contributions: the amounts that each kind of entity adds to the sums; ``registry`` lists them."""
