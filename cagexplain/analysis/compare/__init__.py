"""Question: in what do policies, phases or agents differ?"""
