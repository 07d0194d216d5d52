"""Findings: run the analyses over the store, keep their verdicts, and judge what was done about them.

Importing the room loads neither numpy nor scipy: an analysis is imported when it runs, in a separate process.
"""
