"""The page of a study of training."""
