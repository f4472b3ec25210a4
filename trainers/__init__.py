"""The training core: algorithms that turn play in the simulator into checkpoints."""
