"""Question: how well does the defence do, in the measures of a security operations centre?"""
