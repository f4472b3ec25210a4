"""Question: what happened in one episode, step by step?"""
