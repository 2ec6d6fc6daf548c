"""Paths of programs and files."""

import os
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "helm" / "inrush"
VALUE_SETS = CHART / "ci"
GOLDEN = CHART / "tests" / "golden"
WRONG = CHART / "tests" / "wrong"
REFUSED = CHART / "tests" / "refused"
ALERTS = CHART / "files" / "alerts.yaml"
ALERT_TESTS = CHART / "tests" / "alerts.yaml"
DASHBOARD = CHART / "files" / "dashboard.json"
RUNBOOK = ROOT / "docs" / "runbook.md"

# Programs that tools/install-helm-test-tools installs.
TOOLS = ROOT / "target" / "test-tools" / "helm"
HELMS = {"helm 4": TOOLS / "helm-4" / "helm", "helm 3": TOOLS / "helm-3" / "helm"}
KUBECTL = TOOLS / "helm-4" / "kubectl"
PROMTOOL = TOOLS / "prometheus" / "usr" / "bin" / "promtool"
PROMETHEUS = TOOLS / "prometheus" / "usr" / "bin" / "prometheus"
CHECKOV = TOOLS / "venv" / "bin" / "checkov"
README_GENERATOR = TOOLS / "node_modules" / ".bin" / "readme-generator"

# If set, golden files are written instead of compared: `tools/helm-test --write`.
WRITE = bool(os.environ.get("INRUSH_TEST_WRITE_GOLDEN"))
