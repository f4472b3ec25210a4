"""How faithful a simulator is to another: equal step by step, or alike in distribution."""
