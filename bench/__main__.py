"""`python -m bench` measures everything there is to measure, and fails where a promise is not kept."""

import sys
from pathlib import Path

from bench import adaptive, ledger, memory, million, planning, refusal, relays, report, thumbnail
from bench.throughput import comparison

if __name__ == "__main__":
    results = Path("build/bench")
    parts = (
        memory.main,
        ledger.main,
        million.main,
        planning.main,
        refusal.main,
        relays.main,
        report.main,
        thumbnail.main,
    )
    sys.exit(max(comparison.main(results), adaptive.main(results), *(part() for part in parts)))
