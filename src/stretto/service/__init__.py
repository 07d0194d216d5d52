"""The service: a process that follows the journal, keeps the store up to date and answers HTTP."""
