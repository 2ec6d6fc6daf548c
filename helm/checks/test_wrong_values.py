"""Wrong values get a message with the remedy."""

import re
import unittest

import yaml

from . import chart
from .paths import HELMS, REFUSED, WRONG

LEAST_CASES = 20


class WrongValues(unittest.TestCase):
    def test_values_that_contradict_each_other_are_refused_with_the_remedy(self):
        """The first line of each file is the message: the value, what is wrong, and the remedy."""
        cases = sorted(WRONG.glob("*.yaml"))
        self.assertGreaterEqual(len(cases), LEAST_CASES)
        for path in cases:
            expected = re.match(r"# message: (.+)", path.read_text())
            for helm in HELMS:
                with self.subTest(case=path.stem, helm=helm):
                    with self.assertRaises(chart.Refused) as refused:
                        chart.rendered(path, helm)
                    message = str(refused.exception)
                    self.assertIn(expected[1], message)
                    self.assertEqual(len(re.findall(r"^  - ", message, re.MULTILINE)), 1, f"one mistake, one line: {message}")

    def test_values_that_the_schema_refuses_are_named(self):
        """An unknown key or a value of the wrong kind: the first line names the key, and both helm versions print the reason."""
        for path in sorted(REFUSED.glob("*.yaml")):
            names, why = re.match(r"# names: (\S+) because (.+)", path.read_text()).groups()
            for helm in HELMS:
                with self.subTest(case=path.stem, helm=helm):
                    with self.assertRaises(chart.Refused) as refused:
                        chart.rendered(path, helm)
                    self.assertIn(names, str(refused.exception).replace("/", "."))
                    self.assertRegex(str(refused.exception), why)

    def test_all_mistakes_are_reported_together(self):
        path = WRONG.parent / "many-mistakes.yaml"
        with self.assertRaises(chart.Refused) as refused:
            chart.rendered(path)
        for expected in yaml.safe_load(path.read_text())["front"]["podAnnotations"].values():
            self.assertIn(expected, str(refused.exception))
