"""Files of other trainers as policies: Stable-Baselines3, RLlib, TorchScript and ONNX."""
