"""Question: what did the runs of a study learn, and what do their policies do?"""
