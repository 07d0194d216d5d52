"""Answers by statistics: pure functions of runs and an instant, with known error rates.

The room needs the extra ``stretto[analysis]``. Importing the package alone loads neither numpy nor scipy;
its modules do. Call ``installed_extras.require_extra`` before importing them.
"""
