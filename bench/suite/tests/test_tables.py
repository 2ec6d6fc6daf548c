import unittest

from ..measure import Spread
from ..tables import Table, number, span


class Tables(unittest.TestCase):
    def test_numbers_have_as_many_digits_as_count(self):
        shown = [number(value) for value in (0, 0.00001, 0.00123, 0.0512, 0.847, 1.234, 9.96, 12.34, 123.4, 105_734.2, None)]
        self.assertEqual(shown, ["0", "<0.0001", "0.0012", "0.051", "0.847", "1.23", "9.96", "12.3", "123", "105,734", "–"])

    def test_a_span_shows_its_range(self):
        self.assertEqual(span(Spread((1.0, 3.0, 2.0))), "2.00 (1.00–3.00)")

    def test_columns_of_numbers_stand_to_the_right(self):
        table = Table(("server", "µs"), [["echo", "9.7"], ["one script per call", "12"]], "Cost")
        self.assertEqual(
            table.markdown().splitlines(),
            [
                "### Cost",
                "",
                "| server              |  µs |",
                "|---------------------|----:|",
                "| echo                | 9.7 |",
                "| one script per call |  12 |",
            ],
        )

    def test_a_row_of_the_wrong_length_is_a_mistake(self):
        with self.assertRaises(ValueError):
            Table(("a", "b"), [["1"]]).markdown()
