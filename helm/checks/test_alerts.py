"""The alerts fire only when they should, and each links to a section of the runbook."""

import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from . import chart
from .paths import ALERT_TESTS, ALERTS, PROMTOOL, RUNBOOK


def _alerts():
    return [rule for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]


class Alerts(unittest.TestCase):
    maxDiff = None

    def test_prometheus_understands_them(self):
        _promtool(self, "check", "rules", ALERTS)

    def test_each_fires_when_it_should_and_not_otherwise(self):
        _promtool(self, "test", "rules", ALERT_TESTS)

    def test_each_has_a_case_that_fires_and_one_that_does_not(self):
        cases = [case for test in yaml.safe_load(ALERT_TESTS.read_text())["tests"] for case in test["alert_rule_test"]]
        names = {rule["alert"] for rule in _alerts()}
        self.assertEqual({case["alertname"] for case in cases if case["exp_alerts"]}, names)
        self.assertEqual({case["alertname"] for case in cases if not case["exp_alerts"]}, names)

    def test_a_wrong_case_would_be_noticed(self):
        with tempfile.TemporaryDirectory() as folder:
            wrong = Path(folder) / "wrong.yaml"
            text = ALERT_TESTS.read_text().replace("../files/alerts.yaml", str(ALERTS)).replace("0+600x20", "0x20")
            wrong.write_text(text)
            completed = subprocess.run([PROMTOOL, "test", "rules", wrong], capture_output=True, text=True, check=False)
        self.assertNotEqual(completed.returncode, 0)
        self.assertIn("InrushSheddingLoad", completed.stderr + completed.stdout)

    def test_each_has_a_summary_and_a_section_in_the_runbook(self):
        anchors = set(re.findall(r"^#+ (\w+)$", RUNBOOK.read_text(), re.MULTILINE))
        for rule in _alerts():
            with self.subTest(alert=rule["alert"]):
                self.assertEqual(set(rule["annotations"]), {"summary", "description", "runbook_url"})
                self.assertIn(rule["labels"]["severity"], ("critical", "warning"))
                self.assertTrue(rule["annotations"]["runbook_url"].endswith(f"docs/runbook.md#{rule['alert'].lower()}"))
                self.assertIn(rule["alert"], anchors)

    def test_the_runbook_knows_no_alert_that_is_not_there(self):
        documented = set(re.findall(r"^#+ (Inrush[A-Z]\w+)$", RUNBOOK.read_text(), re.MULTILINE))
        self.assertEqual(documented, {rule["alert"] for rule in _alerts()})

    def test_the_chart_installs_them_as_they_are(self):
        """With the changes from the values: one alert is disabled, all have another label and other links."""
        rule = chart.found(chart.rendered(chart.value_sets()["real-sale"]), "PrometheusRule", "inrush-alerts")
        installed = [each for group in rule["spec"]["groups"] for each in group["rules"]]
        expected = [each for each in _alerts() if each["alert"] != "InrushRedisMemory"]
        for each in expected:
            each["labels"]["team"] = "checkout"
            each["annotations"]["runbook_url"] = f"https://wiki.shop.example/inrush#{each['alert'].lower()}"
        self.assertEqual(installed, expected)


def _promtool(test, *arguments):
    completed = subprocess.run([PROMTOOL, *arguments], capture_output=True, text=True, check=False)
    test.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)
