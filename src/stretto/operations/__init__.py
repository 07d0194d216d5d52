"""The operations of the performance monitor: a table, a runner, and the questions that they answer.

Command line, HTTP, slash command and MCP are doors to the same runner, so that all of them answer alike.
"""
