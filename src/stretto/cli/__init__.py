"""The command line: one program, a module for each group of verbs."""
