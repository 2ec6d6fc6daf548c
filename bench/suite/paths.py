"""Folders of the project."""

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BENCH = ROOT / "bench"
# Programs that only the benchmarks need.
TOOLS = ROOT / "target" / "bench-tools"
RESULTS = ROOT / "docs" / "benchmarks"
# The rounds of each figure and pictures that no page shows; not committed.
DETAILS = ROOT / "target" / "bench"
