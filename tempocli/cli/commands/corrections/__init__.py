"""Commands that have a person correct tempi."""
