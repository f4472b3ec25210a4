"""The page of explained decisions."""
