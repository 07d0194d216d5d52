"""The hostile trial: what a machine, a person or a web page can do to Stretto, tried on this machine.

``make trial`` runs it and prints a table of what was tried and what was lost. Each module named ``case_*`` is
a case: its function ``run`` takes a ``Scope`` and yields ``Row``s. A new module is a new case.
"""
