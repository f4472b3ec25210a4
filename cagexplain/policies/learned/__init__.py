"""Policies that are networks, and what they see."""
