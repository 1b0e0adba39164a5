"""Subcommands of ``tempo train``."""
