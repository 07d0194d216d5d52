"""The agent's side: the client that hooks start, and the installer of the settings that start it.

``client``, ``dialects`` and ``start`` are copied out of the package and import nothing of it but each other.
"""
