"""Real clients of other vendors, run offline against a scripted model and compared with the script."""
