"""Defaults of options from a configuration file and from environment variables."""
