"""The page about one policy: what it does, and when."""
