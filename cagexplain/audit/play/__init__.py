"""Audits that play: teams of policies, remedies and other conditions, episode against episode."""
