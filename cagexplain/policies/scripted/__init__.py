"""Policies that are rules written by hand."""
