"""Histories: the files that coding agents and workflow engines keep of their runs, in any known format.

``formats`` recognises a file by its first lines and names it. ``history_reading`` reads the new lines of a
file and has the decoder of its format turn them into events. Each format has one decoder, in a folder named
after the product. Claude Code's transcripts have a room of their own, ``sources.transcript``.
"""
