"""Workflow engines: the records that they keep of an execution."""
