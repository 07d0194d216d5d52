"""The installer: registers the hook client in the settings of agents, and takes it out again."""
