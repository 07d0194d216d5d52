"""Switches: the optional parts, whether each is on, and why.

``feature_switches`` lists the parts. ``feature_settings_file`` keeps what ``stretto features`` has set, with
the way back. ``collection_filter`` drops what is not to be collected. ``feature_state_in_program`` answers
programs, and ``experiment_arms`` gives them the arm of their session, through OpenFeature if they have it.
"""
