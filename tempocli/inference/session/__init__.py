"""The only package that uses onnxruntime, and the check of model files before they are opened."""
