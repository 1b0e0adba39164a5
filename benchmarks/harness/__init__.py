"""What the benchmarks share: environments of their own for the tools, workers that measure, tables."""
