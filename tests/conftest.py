from hypothesis import settings

# No test may depend on how busy the machine is.
settings.register_profile("cagexplain", deadline=None)
settings.load_profile("cagexplain")
