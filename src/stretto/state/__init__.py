"""The state folder: where it is, who may write in it, and how long its contents are kept."""
