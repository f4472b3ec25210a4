"""Measurements that the README quotes; each runs by a command."""
