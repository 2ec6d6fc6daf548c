"""The chart renders the same with both helm versions, and as in the golden files."""

import subprocess
import unittest

import yaml

from . import chart
from .paths import CHART, GOLDEN, HELMS, WRITE

RANDOM = "(random)"
# Golden files name the chart's own files instead of repeating them.
FILES = {file.read_text(): f"(files/{file.name})" for file in (CHART / "files").iterdir()}


class Rendering(unittest.TestCase):
    maxDiff = None

    def test_lint_passes(self):
        for helm, program in HELMS.items():
            for name, values in chart.value_sets().items():
                with self.subTest(helm=helm, values=name):
                    command = [program, "lint", "--strict", CHART] + (["--values", values] if values else [])
                    completed = subprocess.run(command, capture_output=True, text=True, check=False)
                    self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)

    def test_both_helms_render_the_same_for_every_kubernetes(self):
        for name, values in chart.value_sets().items():
            for kubernetes in chart.KUBERNETES:
                with self.subTest(values=name, kubernetes=kubernetes):
                    of = {helm: _by_name(chart.rendered(values, helm, kubernetes)) for helm in HELMS}
                    self.assertEqual(of["helm 3"], of["helm 4"])

    def test_rendered_manifests_are_those_of_the_golden_files(self):
        """The golden file of a value set has the differences from the default, and the names of removed objects."""
        default = _by_name(chart.rendered())
        for name, values in chart.value_sets().items():
            with self.subTest(values=name):
                found = _by_name(chart.rendered(values))
                if values:
                    found = _differences(default, found)
                _compare(self, GOLDEN / f"{name}.yaml", found)

    def test_without_a_sleep_of_kubernetes_the_front_waits_by_itself(self):
        """Kubernetes before 1.30 has no preStop sleep, and the image no program to sleep with: the drain is longer instead."""
        for kubernetes, grace, sleeps in [("1.28", "10s", False), ("1.31", "5s", True)]:
            with self.subTest(kubernetes=kubernetes):
                objects = chart.rendered(kubernetes=kubernetes)
                config = chart.found(objects, "ConfigMap", "inrush-front")["data"]["inrush.toml"]
                self.assertIn(f'grace = "{grace}"', config)
                pod = chart.found(objects, "Deployment", "inrush-front")["spec"]["template"]["spec"]
                self.assertEqual("lifecycle" in pod["containers"][0], sleeps)
                self.assertEqual(pod["terminationGracePeriodSeconds"], 35)

    def test_everything_is_in_the_namespace_and_belongs_to_the_release(self):
        for name, values in chart.value_sets().items():
            for each in chart.rendered(values):
                with self.subTest(values=name, object=chart.name_of(each)):
                    self.assertEqual(each["metadata"]["namespace"], chart.NAMESPACE)
                    self.assertEqual(each["metadata"]["labels"]["app.kubernetes.io/instance"], chart.RELEASE)
                    self.assertLessEqual(len(each["metadata"]["name"]), 52 if each["kind"] == "CronJob" else 63)


def _by_name(objects):
    return {chart.name_of(each): _without_chance(each) for each in objects}


def _without_chance(thing):
    """Replaces generated keys and passwords."""
    if thing["kind"] == "Secret":
        return thing | {"data": dict.fromkeys(thing["data"], RANDOM)}
    return thing


def _differences(default, found):
    differences = {name: each for name, each in found.items() if default.get(name) != each}
    return differences | dict.fromkeys(default.keys() - found.keys(), "not there")


class Readable(yaml.SafeDumper):
    """Writes texts of several lines as blocks, and the content of a file of the chart as its name."""

    def represent_text(self, text):
        text = FILES.get(text, text)
        return self.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)

    def ignore_aliases(self, data):
        return True


Readable.add_representer(str, Readable.represent_text)


def _compare(test, path, found):
    text = yaml.dump(found, Dumper=Readable, sort_keys=True, width=120)
    if WRITE:
        path.write_text(text)
    test.assertEqual(yaml.safe_load(path.read_text()), yaml.safe_load(text), "`tools/helm-test --write` accepts the new")
