"""Training data: sources, feature stores, augmented views, and the sampling of clips."""
