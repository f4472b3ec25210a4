"""Every probability of the simulator, with CC4's values."""

from typing import Final

GREEN_FALSE_POSITIVE: Final = 0.01
"""A successful green local work or access raises an alert."""
PHISHING: Final = 0.01
"""A successful green local work opens a phishing mail."""
AGGRESSIVE_DETECTION: Final = 0.75
STEALTH_DETECTION: Final = 0.25
DECEPTION_TRUE_POSITIVE: Final = 0.5
DECEPTION_FALSE_POSITIVE: Final = 0.1
EXPLOIT_DETECTION: Final = 0.95
"""Each host on the path of an SSH brute force; the session that an SQL injection opens."""
