"""The tempo encoder: windows to a distribution over tempi."""
