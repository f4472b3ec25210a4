"""Policies for those who do not have this package: official submissions, ONNX, TorchScript."""
