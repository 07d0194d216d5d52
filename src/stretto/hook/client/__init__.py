"""The hook client: files that are copied out of the package and import nothing of it but each other."""
