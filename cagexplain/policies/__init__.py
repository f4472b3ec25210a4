"""Anything that chooses blue actions, behind one protocol, and the loop that plays it."""
