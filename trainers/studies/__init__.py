"""Studies: many training runs from one file, side by side, and searches for settings."""
