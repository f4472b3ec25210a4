"""Question: what does red's state machine go through, and what does blue do in each state?"""
