import unittest

from .. import scenario
from ..build import EXECUTABLES


class Scenarios(unittest.TestCase):
    def test_every_module_is_a_scenario(self):
        for each in scenario.chosen([]):
            with self.subTest(each.name):
                self.assertLessEqual(set(each.executables), set(EXECUTABLES))
                self.assertEqual(set(vars(each.form("quick"))), set(vars(each.form("full"))))

    def test_rounds_can_be_chosen(self):
        self.assertEqual(scenario.Scenario("loadtest").form("quick", rounds=9).rounds, 9)
