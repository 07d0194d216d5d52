"""Measure the processor time, memory and disk use of agents' processes and of the machine, through psutil."""
