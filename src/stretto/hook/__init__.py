"""The agent's side: the client that hooks start, and the installer of the settings that start it.

``client`` and ``start`` are copied out of the package: each is one file that imports nothing of ours.
"""
