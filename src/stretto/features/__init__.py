"""Switches: the optional parts, whether each is on, and why.

``feature_table`` lists the parts. ``feature_changes`` keeps what ``stretto features`` has set, with the way
back. ``collection`` drops what is not to be collected. ``program_switch`` answers programs, and
``experiment_arms`` gives them the arm of their session, through OpenFeature if they have it.
"""
