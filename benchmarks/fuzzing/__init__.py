"""What `benchmarks/fuzz.py` is made of: seeds, the layouts of containers, mutations, the watch over a run."""
