import json
import tempfile
import unittest
from pathlib import Path
from unittest import mock

from .. import drawing, report
from ..report import Plot, Report
from ..tables import Table


class Writing(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name) / "pages"
        self.details = Path(folder.name) / "details"

    def test_a_report_becomes_a_page_and_data_apart_from_it(self):
        found = Report("What was done.", [Table(("a",), [["1"]])], data={"metrics": {"a": 1}}, notes="Seen.")
        report.write(self.folder, self.details, "costs", "The costs", "full", found, log=self.fail)
        page = (self.folder / "costs.md").read_text()
        self.assertTrue(page.startswith("# The costs\n\nWhat was done.\n"))
        self.assertIn("`make bench ONLY=costs`", page)
        self.assertIn("| a |\n|--:|\n| 1 |", page)
        self.assertTrue(page.endswith("Seen.\n"))
        self.assertEqual([file.name for file in self.folder.iterdir()], ["costs.md"])
        self.assertEqual(json.loads((self.details / "costs.json").read_text())["metrics"], {"a": 1})

    def test_prose_is_wrapped_and_lists_are_indented(self):
        page = report.wrapped(" word" * 40 + "\n\n- " + "item " * 40 + "\n- short\n")
        self.assertTrue(all(len(line) <= report.MAX_COLUMNS for line in page.splitlines()))
        first, items = page.split("\n\n")
        self.assertEqual(first.split(), ["word"] * 40)
        self.assertRegex(items, r"^- item .*\n  item .*\n- short$")

    def test_the_index_names_what_is_there_and_nothing_else(self):
        for name in ("one", "two"):
            report.write(self.folder, self.details, name, f"Title {name}", "full", Report(""), log=self.fail)
        (self.folder / "baseline.json").write_text("{}")
        report.write_index(self.folder)
        index = (self.folder / "README.md").read_text()
        self.assertIn("- [Title one](one.md)\n- [Title two](two.md)\n", index)
        self.assertEqual(index.count("- ["), 2)

    def test_a_page_shows_the_plots_that_are_kept_beside_it(self):
        drawn = []
        self.enterContext(mock.patch.object(drawing, "draw", lambda plots: [drawn.append(p) or p.touch() for p in plots]))
        plots = [Plot(name, name.title(), "x", "y", [], on_page=name == "way") for name in ("way", "share")]
        report.write(self.folder, self.details, "costs", "The costs", "full", Report("", plots=plots), log=self.fail)
        self.assertEqual(drawn, [self.folder / "costs-way.svg", self.details / "costs-share.svg"])
        page = (self.folder / "costs.md").read_text()
        self.assertIn("![Way](costs-way.svg)", page)
        self.assertNotIn("costs-share.svg", page)
