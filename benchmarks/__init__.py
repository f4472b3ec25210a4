"""Measurements that the documentation quotes; each runs by a command."""
