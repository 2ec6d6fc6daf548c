import unittest

from ..measure import Spread
from ..scenarios.budgets import Pace, Row


class Rows(unittest.TestCase):
    def test_a_budget_bounds_from_below_or_from_above(self):
        ratio = Row("ratio", Spread((0.9, 1.0, 1.1)), 1.0, at_least=True)
        cost = Row("cost", Spread((2.3,)), 2.2, at_least=False)
        self.assertEqual(ratio.cells()[1:5], ["1.00 (0.900–1.10)", "≥ 1.00", "met", "–"])
        self.assertEqual(cost.cells()[1:5], ["2.30 (2.30–2.30)", "≤ 2.20", "**missed**", "–"])

    def test_a_slow_machine_is_distinguished_from_a_slow_program(self):
        # The baseline cost twice of what it did.
        pace = Pace(now=2.0, then=1.0)
        cost = Row("cost", Spread((4.0,)), 2.2, at_least=False, pace=pace)
        rate = Row("rate", Spread((30_000.0,)), 50_000, at_least=True, pace=pace)
        self.assertEqual(cost.cells()[3:5], ["**missed**", "2.00: met"])
        self.assertEqual(rate.cells()[3:5], ["**missed**", "60,000: met"])
