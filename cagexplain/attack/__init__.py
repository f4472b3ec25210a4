"""Attackers fitted to a policy: how bad can it get?

A red table (`cagexplain.cc4.reds`) is fitted to one policy by a search over its probabilities, from
the best of a portfolio of strong ones, and judged on seeds that the search has not seen. What comes
of it is a lower bound: the policy is at least this exploitable by attackers of this family.
"""
