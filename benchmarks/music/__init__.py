"""What the benchmarks of the music embedding share: data, representations, scores."""
