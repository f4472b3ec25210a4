"""The page of decision trees."""
