"""Policies that are decision trees, and the features that they name."""
