"""The page that puts policies side by side."""
