import json
import tempfile
import unittest
from pathlib import Path

from .. import report
from ..report import Report
from ..tables import Table


class Writing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)

    def test_a_report_becomes_a_page_and_data(self):
        found = Report("What was done.", [Table(("a",), [["1"]])], data={"figures": {"a": 1}}, remarks="Seen.")
        report.write(self.folder, "costs", "The costs", "full", found, tell=self.fail)
        page = (self.folder / "costs.md").read_text()
        self.assertTrue(page.startswith("# The costs\n\nWhat was done.\n"))
        self.assertIn("`make bench ONLY=costs`", page)
        self.assertIn("| a |\n|--:|\n| 1 |", page)
        self.assertTrue(page.endswith("Seen.\n"))
        self.assertEqual(json.loads((self.folder / "costs.json").read_text())["figures"], {"a": 1})

    def test_the_index_names_what_is_there_and_nothing_else(self):
        for name in ("one", "two"):
            report.write(self.folder, name, f"Title {name}", "full", Report(""), tell=self.fail)
        (self.folder / "baseline.json").write_text("{}")
        report.write_index(self.folder)
        index = (self.folder / "README.md").read_text()
        self.assertIn("- [Title one](one.md) ([data](one.json))\n- [Title two](two.md) ([data](two.json))\n", index)
        self.assertEqual(index.count("- ["), 2)
