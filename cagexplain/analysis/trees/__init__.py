"""Question: which readable rules act like the policy?"""
