"""From results of the analysis to pages that people read."""
