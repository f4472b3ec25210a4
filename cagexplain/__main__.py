"""`python -m cagexplain`."""

import sys

from cagexplain.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
