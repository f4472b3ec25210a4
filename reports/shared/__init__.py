"""Sections and sentences that several pages have."""
