"""Where things are."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
# What the benchmarks install and nothing else needs.
TOOLS = ROOT / "target" / "bench-tools"
RESULTS = ROOT / "docs" / "benchmarks"
# The rounds of each figure and pictures that no page shows; not committed.
DETAILS = ROOT / "target" / "bench"
