"""The command line: the program ``stretto``, with a module for each group of commands."""
