"""The queries of the dashboard are valid, and their metrics exist."""

import json
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from . import chart
from .paths import DASHBOARD, PROMTOOL


def queries():
    """Every query with the title of its panel, with Grafana's variables replaced."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"].replace("$namespace", ".*").replace("$sale", ".*").replace("$__rate_interval", "1m")
            yield panel["title"], query


class Dashboard(unittest.TestCase):
    def test_prometheus_understands_every_query(self):
        rules = [{"record": f"query:{number}", "expr": query} for number, (_, query) in enumerate(queries())]
        self.assertGreater(len(rules), 30)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "rules.yaml"
            path.write_text(yaml.safe_dump({"groups": [{"name": "dashboard", "rules": rules}]}))
            completed = subprocess.run([PROMTOOL, "check", "rules", path], capture_output=True, text=True, check=False)
        self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)

    def test_panels_have_names_and_explanations_and_do_not_overlap(self):
        panels = json.loads(DASHBOARD.read_text())["panels"]
        cells = set()
        for panel in panels:
            with self.subTest(panel=panel["title"]):
                place = panel["gridPos"]
                self.assertTrue(panel["type"] == "row" or panel["description"])
                covered = {(x, y) for x in range(place["x"], place["x"] + place["w"]) for y in range(place["y"], place["y"] + place["h"])}
                self.assertFalse(covered & cells)
                self.assertLessEqual(place["x"] + place["w"], 24)
                cells |= covered
        self.assertEqual(len({panel["id"] for panel in panels}), len(panels))

    def test_the_chart_installs_it_as_it_is(self):
        installed = chart.found(chart.rendered(chart.value_sets()["real-sale"]), "ConfigMap", "inrush-dashboard")
        self.assertEqual(json.loads(installed["data"]["inrush.json"]), json.loads(DASHBOARD.read_text()))
        self.assertEqual(installed["metadata"]["labels"]["grafana_dashboard"], "1")
