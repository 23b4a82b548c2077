"""`python -m bench.throughput [DIRECTORY]` measures, prints a table and which promises are kept."""

import sys
from pathlib import Path

from bench.throughput.comparison import main

if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else None))
