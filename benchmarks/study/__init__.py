"""The comparison of losses, labels and domains: its runs and what they are measured by."""
