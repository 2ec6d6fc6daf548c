"""The bundled Redis with Sentinel starts, survives the loss of its master, and takes it back as a replica. Its scripts and
configuration run unchanged, in their own namespaces, where the name of every node resolves to its own address."""

import os
import subprocess
import sys
import unittest

from . import chart
from .paths import ROOT

TIMEOUT = 600


class BundledRedis(unittest.TestCase):
    def test_sentinels_replace_a_master_that_is_gone_and_take_it_back(self):
        privilege = [] if os.geteuid() == 0 else ["--map-root-user"]
        command = ["unshare", "--mount", "--net", *privilege, sys.executable, "-m", "checks.redis_nodes"]
        completed = subprocess.run(command, cwd=ROOT / "helm", capture_output=True, text=True, timeout=TIMEOUT, check=False)
        self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)

    def test_a_single_one_has_no_sentinel_and_evicts_nothing(self):
        objects = chart.rendered()
        files = chart.found(objects, "ConfigMap", "inrush-redis")["data"]
        self.assertNotIn("start-sentinel.sh", files)
        self.assertIn("maxmemory-policy noeviction", files["redis.conf"])
        containers = chart.found(objects, "StatefulSet", "inrush-redis")["spec"]["template"]["spec"]["containers"]
        self.assertEqual([container["name"] for container in containers], ["redis"])
