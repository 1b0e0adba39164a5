"""Making data and training models; the only part of tempocli that may use torch."""
