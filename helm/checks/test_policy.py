"""The rendered objects pass the security checks of checkov."""

import json
import re
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from . import chart
from .paths import CHECKOV

# Checks of checkov that the chart fails on purpose: the objects, and the reason.
EXPLAINED = {
    "CKV_K8S_8": (r"Pod\..*-test", "helm test's pod runs once and ends: there is nothing to probe"),
    "CKV_K8S_9": (r"Pod\..*-test", "helm test's pod runs once and ends: there is nothing to probe"),
    "CKV_K8S_11": (r".*", "no CPU limits: they would slow a front down in the very second that counts"),
    "CKV_K8S_15": (r".*", "IfNotPresent: a scale-up in the rush must not wait for the registry, and tags do not move"),
    "CKV_K8S_35": (r".*", "a store's URL is taken from a variable only, and all secrets go one way"),
    "CKV_K8S_38": (r"CronJob\..*", "kubectl changes one object by the API server and needs a token for it"),
    "CKV_K8S_43": (r".*", "the operator pins a digest with image.digest"),
}

UNSAFE = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "unsafe", "namespace": "shop"},
    "spec": {"containers": [{"name": "unsafe", "image": "unsafe", "securityContext": {"privileged": True}}]},
}


class Policy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            for name, values in chart.value_sets().items():
                (Path(folder) / f"{name}.yaml").write_text(yaml.safe_dump_all(chart.rendered(values)))
            (Path(folder) / "unsafe.yaml").write_text(yaml.safe_dump(UNSAFE))
            command = [CHECKOV, "--skip-download", "--framework", "kubernetes", "--directory", folder, "--output", "json", "--quiet"]
            completed = subprocess.run(command, capture_output=True, text=True, check=False)
        cls.report = json.loads(completed.stdout)
        cls.failed = {(each["check_id"], each["resource"], each["check_name"]) for each in cls.report["results"]["failed_checks"]}

    def test_nothing_fails_that_is_not_explained(self):
        self.assertGreater(self.report["summary"]["passed"], 1000)
        self.assertEqual({each for each in self.failed if not _explained(*each[:2]) and "unsafe" not in each[1]}, set())

    def test_every_explanation_is_needed(self):
        self.assertEqual({check for check, resource, _ in self.failed if _explained(check, resource)}, set(EXPLAINED))

    def test_an_unsafe_pod_is_found(self):
        self.assertIn("CKV_K8S_16", {check for check, resource, _ in self.failed if "unsafe" in resource})


def _explained(check, resource):
    objects, _ = EXPLAINED.get(check, (r"(?!)", ""))
    return re.fullmatch(objects, resource)
