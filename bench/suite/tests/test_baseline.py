import tempfile
import unittest
from pathlib import Path

from .. import baseline, check
from ..baseline import Watched, compare
from ..errors import BenchError

WATCHED = (Watched("front", "front against echo", 0.1), Watched("bytes", "bytes", 0.02))
THEN = {"front": 1.0, "bytes": 48.0}


class Comparisons(unittest.TestCase):
    def worse(self, **now):
        return [comparison.watched.name for comparison in compare(WATCHED, {**THEN, **now}, THEN) if comparison.worse]

    def test_the_same_is_not_worse(self):
        self.assertEqual(self.worse(), [])

    def test_a_slowdown_beyond_the_tolerance_is_caught(self):
        self.assertEqual(self.worse(front=1.11), ["front"])
        self.assertEqual(self.worse(bytes=49.0), ["bytes"])
        self.assertEqual(self.worse(front=1.5, bytes=110.0), ["front", "bytes"])

    def test_what_is_within_the_tolerance_is_not(self):
        self.assertEqual(self.worse(front=1.09, bytes=48.9), [])

    def test_being_faster_is_reported_and_no_failure(self):
        comparisons = compare(WATCHED, {"front": 0.8, "bytes": 48.0}, THEN)
        self.assertEqual([comparison.word for comparison in comparisons], ["better", "same"])

    def test_a_ratio_that_was_never_accepted_is_a_mistake(self):
        with self.assertRaisesRegex(BenchError, "bytes"):
            compare(WATCHED, THEN, {"front": 1.0})

    def test_the_table_shows_all(self):
        text = baseline.table(compare(WATCHED, {"front": 1.25, "bytes": 48.0}, THEN)).markdown()
        self.assertRegex(text, r"front against echo \| +1\.25 +\| +1\.00 \| \+25\.0% \| +\+10% \| WORSE")


class BaselineFile(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "baseline.json"

    def test_what_is_accepted_is_read_again(self):
        baseline.write(THEN, "a machine", self.path)
        self.assertEqual(baseline.read(self.path), THEN)

    def test_a_missing_or_broken_file_says_what_to_do(self):
        with self.assertRaisesRegex(BenchError, "--accept"):
            baseline.read(self.path)
        self.path.write_text("{}")
        with self.assertRaisesRegex(BenchError, "cannot be read"):
            baseline.read(self.path)


class WatchedRatios(unittest.TestCase):
    def test_every_ratio_is_watched(self):
        measured = {*check.RATIOS, "bytes_per_ticket"}
        self.assertEqual({each.name for each in check.WATCHED}, measured)

    def test_the_committed_ratios_are_those_that_are_watched(self):
        self.assertEqual(set(baseline.read()), {each.name for each in check.WATCHED})
