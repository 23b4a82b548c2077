"""`python -m bench` measures everything there is to measure, and fails where a promise is not kept."""

import sys

from bench import memory, planning, thumbnail

if __name__ == "__main__":
    sys.exit(max(memory.main(), planning.main(), thumbnail.main()))
