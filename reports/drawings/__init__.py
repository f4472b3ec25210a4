"""Pictures as SVG: the state machine, episodes, trees, learning curves."""
