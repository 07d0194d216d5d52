"""The installer: register the hook client in the settings of coding agents, and remove it again."""
