"""Question: what does blue do after an alert or a compromise, and is it more than chance?"""
