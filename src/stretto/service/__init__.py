"""The service: one process that follows the journal, keeps the store up to date and answers HTTP."""
