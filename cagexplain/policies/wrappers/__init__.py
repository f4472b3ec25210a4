"""Policies around a policy: masks, noise, overridden actions."""
