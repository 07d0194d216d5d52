"""What the agents' processes and the machine around them use, read through psutil."""
