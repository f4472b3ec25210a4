"""The page of a double oracle: policies and attackers that answer each other."""
