"""The server of the Model Context Protocol: operations as tools, sessions and findings as resources.

It needs the extra ``stretto[mcp]``, and is imported only when it is used. The official SDK speaks the
protocol (modelcontextprotocol.io); here are only its handlers.
"""
