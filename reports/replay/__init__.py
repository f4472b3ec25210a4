"""The page of `cagexplain replay`: an episode on the map of the network."""
