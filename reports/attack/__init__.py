"""The page of an attack: how bad it can get, by what, where, and what to do about it."""
