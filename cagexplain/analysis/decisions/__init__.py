"""Question: why this action, at this moment?"""
