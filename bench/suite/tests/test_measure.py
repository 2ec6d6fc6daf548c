import unittest

from ..measure import Spread, interleaved, ratio


class Measuring(unittest.TestCase):
    def test_a_spread_has_median_and_range(self):
        spread = Spread((3.0, 1.0, 2.0, 10.0))
        self.assertEqual((spread.median, spread.low, spread.high), (2.5, 1.0, 10.0))

    def test_ratios_are_taken_round_by_round(self):
        # The second round was slow for both: their ratio does not know.
        results = ratio(Spread((2.0, 20.0, 2.0)), Spread((1.0, 10.0, 2.0)))
        self.assertEqual(results.values, (2.0, 2.0, 1.0))

    def test_ratios_of_unlike_rounds_are_refused(self):
        with self.assertRaises(ValueError):
            ratio(Spread((1.0, 2.0)), Spread((1.0,)))

    def test_measurements_are_interleaved(self):
        order = []

        def measurement(name):
            def measure():
                order.append(name)
                return {"figure": float(len(order))}

            return measure

        results = interleaved(2, {"a": measurement("a"), "b": measurement("b")})
        self.assertEqual(order, ["a", "b", "a", "b"])
        self.assertEqual(results["a"]["figure"].values, (1.0, 3.0))
        self.assertEqual(results["b"]["figure"].values, (2.0, 4.0))
