"""`python -m llmcompat`: the same as the console script."""

import sys

from llmcompat.cli import main

if __name__ == "__main__":
    sys.exit(main())
