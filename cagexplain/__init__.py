"""Train, trace and explain blue agents for CAGE Challenge 4 (CC4)."""

__version__ = "0.1.0"
