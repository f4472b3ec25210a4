"""What can be wrong with a defender: the expert with one thing changed."""
