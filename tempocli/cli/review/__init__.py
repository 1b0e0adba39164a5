"""The page of ``tempo review``: a server on this machine's loopback, and its static files."""
