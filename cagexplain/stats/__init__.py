"""How sure: estimators, intervals and tests of numbers alone. Nothing here knows CC4."""
