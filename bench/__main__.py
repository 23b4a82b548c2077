"""`python -m bench` measures everything there is to measure, and fails where a promise is not kept."""

import sys

from bench import ledger, memory, planning, refusal, thumbnail

if __name__ == "__main__":
    sys.exit(max(memory.main(), ledger.main(), planning.main(), refusal.main(), thumbnail.main()))
