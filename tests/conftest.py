import os

from hypothesis import settings

# One thread per process, here and in all processes that tests start: networks are small, and
# threads that wait for each other eat the cores of the tests beside them. This must be said before
# anything imports NumPy or torch.
os.environ["OMP_NUM_THREADS"] = "1"

# Ray's clusters of the tests need no secret. By default Ray keeps a token in the home folder, which
# may not be writable, and reads it once per process: a cluster that a test starts with another home
# would not find it.
os.environ["RAY_AUTH_MODE"] = "disabled"

# The workers of pytest-xdist inherit the width of whatever terminal the tests run in.
os.environ.pop("COLUMNS", None)

# No test may depend on how busy the machine is.
settings.register_profile("cagexplain", deadline=None)
settings.load_profile("cagexplain")

pytest_plugins = [
    "tests.support.cyborg",
    "tests.support.fixtures_audits",
    "tests.support.fixtures_pages",
    "tests.support.fixtures_recordings",
    "tests.support.fixtures_traces",
]
