"""The only door to onnxruntime, and what is asked of a model's file before it is opened."""
