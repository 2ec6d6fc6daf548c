"""The compose file is valid, and the binary accepts its commands and variables."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml
from compose_spec import PyCompose

from . import inrush
from .paths import ALERTS, PROMTOOL, ROOT

COMPOSE = ROOT / "docker-compose.yaml"
PROMETHEUS_CONFIG = ROOT / "compose" / "prometheus.yaml"

# In this check no other host has a name, every port must be free, and there is no PostgreSQL.
HERE = {
    "INRUSH_ADMIN_LISTEN": "127.0.0.1:0",
    "INRUSH_FRONT_LISTEN": "127.0.0.1:0",
    "INRUSH_ORDERS_LISTEN": "127.0.0.1:0",
    "INRUSH_ORDERS_DATABASE": "sqlite::memory:",
}


class Compose(unittest.TestCase):
    def setUp(self):
        text = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE.read_text())
        self.composition = yaml.safe_load(text)

    def test_it_fits_the_specification(self):
        PyCompose.from_json(json.dumps(self.composition)).validate()
        text = json.dumps(self.composition)
        for right, wrong in [("depends_on", "depend_on"), ("service_healthy", "healthy"), ("127.0.0.1:50052:", "front:")]:
            with self.subTest(wrong=wrong), self.assertRaises(ValueError):
                PyCompose.from_json(text.replace(right, wrong)).validate()

    def test_who_is_there(self):
        services = set(self.composition["services"]) - {"rehearsal"}
        self.assertEqual(services, {"front-1", "front-2", "fulfilment", "orders", "redis", "postgres", "prometheus"})

    def test_every_service_of_inrush_starts_with_what_it_is_given(self):
        for name, service in self._inrush():
            with self.subTest(service=name):
                given = service["environment"]
                environment = given | {key: value for key, value in HERE.items() if key in given}
                with inrush.serving(*service["command"], environment=environment) as addresses:
                    self.assertIn("admin", addresses)

    def test_everybody_is_named_as_they_are_called(self):
        """The host of an address is a service that listens on the port."""
        services = self.composition["services"]
        for name, service in self._inrush():
            for key, value in service["environment"].items():
                for host, port in re.findall(r"://(?:[^@/]*@)?([a-z0-9-]+)(?::([0-9]+))?", value):
                    with self.subTest(service=name, key=key):
                        listens = " ".join(map(str, services[host].get("environment", {}).values()))
                        self.assertTrue(port in ("", "6379") or f":{port}" in listens)
        for target in self._targets():
            self.assertIn(target.removesuffix(":9090"), services)

    def test_prometheus_takes_its_configuration_and_scrapes_everybody(self):
        with tempfile.TemporaryDirectory() as folder:
            shutil.copy(PROMETHEUS_CONFIG, folder)
            shutil.copy(ALERTS, folder)
            command = [PROMTOOL, "check", "config", Path(folder) / "prometheus.yaml"]
            completed = subprocess.run(command, capture_output=True, text=True, check=False)
        self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)
        self.assertEqual(self._targets(), {f"{name}:9090" for name, _ in self._inrush()})

    def test_the_rehearsal_is_a_command(self):
        command = self.composition["services"]["rehearsal"]["command"]
        completed = inrush.run(*command, "--help", program="inrush-loadtest")
        self.assertEqual(completed.returncode, 0, completed.stderr)
        wrong = inrush.run(*command[:1], "127.0.0.1:1", "--buyerz=1", program="inrush-loadtest")
        self.assertEqual(wrong.returncode, 2)

    def _inrush(self):
        for name, service in self.composition["services"].items():
            if "inrush" in service["image"] and "entrypoint" not in service:
                yield name, service

    def _targets(self):
        [job] = yaml.safe_load(PROMETHEUS_CONFIG.read_text())["scrape_configs"]
        return set(job["static_configs"][0]["targets"])
