"""The alerts and the dashboard match the metrics of a running cluster, which a real Prometheus scrapes during a sale."""

import contextlib
import json
import re
import subprocess
import tempfile
import time
import unittest
import urllib.parse
import urllib.request
from pathlib import Path

import yaml

from . import inrush
from .paths import ALERTS, PROMETHEUS, PROMTOOL
from .test_dashboard import queries

# Timeout of a query without data while the sale runs.
TIMEOUT = 180
# Long enough for several scrapes, and for the rates over them.
SALE = ["--buyers=3000", "--units=500", "--within=20s", "--connections=4"]


class Live(unittest.TestCase):
    def test_every_query_of_the_dashboard_has_data_and_no_alert_fires(self):
        with inrush.cluster() as cluster, _prometheus(cluster) as ask, _sale(cluster) as played:
            # The gauges of a sale end with it, so this sale stays open.
            server = {"INRUSH_SERVER": cluster["front-1"]["front"]}
            self.assertEqual(inrush.run("sale", "create", "standing", "--stock", "5", environment=server).returncode, 0)
            waiting = dict(enumerate(queries()))
            end = time.monotonic() + TIMEOUT
            while waiting and time.monotonic() < end:
                waiting = {number: each for number, each in waiting.items() if not ask(each[1])}
                time.sleep(1)
            self.assertEqual(waiting, {}, "no data")
            self.assertEqual(played(), 0, "the sale itself failed")
            self.assertEqual(ask('ALERTS{alertstate="firing"}'), [])
            for name, addresses in cluster.items():
                with self.subTest(process=name):
                    self._check_metrics(addresses)
            self._check_names(ask)

    def _check_metrics(self, addresses):
        with urllib.request.urlopen(f"{addresses['admin']}/metrics", timeout=10) as response:
            text = response.read()
        completed = subprocess.run([PROMTOOL, "check", "metrics"], input=text, capture_output=True, check=False)
        self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)

    def _check_names(self, ask):
        """Every Inrush metric that an alert queries exists; only those of Redis are exported by redis_exporter."""
        exported = {series["metric"]["__name__"] for series in ask('{job="inrush"}')}
        expressions = [rule["expr"] for group in yaml.safe_load(ALERTS.read_text())["groups"] for rule in group["rules"]]
        queried = {name for text in expressions for name in re.findall(r"\b(?:inrush|rpc_server)_\w+", text)}
        self.assertEqual(queried - exported, set())


@contextlib.contextmanager
def _sale(cluster):
    """Runs a sale during the block; yields a function that waits for its end and returns the exit code."""
    host = cluster["front-1"]["front"].removeprefix("http://")
    command = [inrush.binary("inrush-loadtest"), "sale", host, *SALE]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield lambda: process.wait(TIMEOUT)
    finally:
        process.kill()
        process.wait()


@contextlib.contextmanager
def _prometheus(cluster):
    """Starts a Prometheus that scrapes every process and has the alerts; yields a function that runs a query."""
    targets = [addresses["admin"].removeprefix("http://") for addresses in cluster.values()]
    with tempfile.TemporaryDirectory() as folder:
        config = {
            "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
            "rule_files": [str(ALERTS)],
            "scrape_configs": [{"job_name": "inrush", "static_configs": [{"targets": targets}]}],
        }
        path = Path(folder) / "prometheus.yaml"
        path.write_text(yaml.safe_dump(config))
        command = [PROMETHEUS, f"--config.file={path}", f"--storage.tsdb.path={folder}/data", "--web.listen-address=127.0.0.1:0"]
        log = Path(folder) / "log"
        with open(log, "w") as writing:
            process = subprocess.Popen(command, stdout=writing, stderr=writing)
        try:
            address = _address(process, log)
            yield lambda query: _ask(address, query)
        finally:
            process.kill()
            process.wait()


def _address(process, log):
    """Its address, read from its log."""
    end = time.monotonic() + TIMEOUT
    while time.monotonic() < end and process.poll() is None:
        found = re.search(r"Listening on.* address=(127\.0\.0\.1:[1-9]\d*)", log.read_text())
        if found and "Server is ready" in log.read_text():
            return found[1]
        time.sleep(0.1)
    raise AssertionError(log.read_text())


def _ask(address, query):
    url = f"http://{address}/api/v1/query?{urllib.parse.urlencode({'query': query})}"
    with urllib.request.urlopen(url, timeout=10) as response:
        series = json.load(response)["data"]["result"]
    # 0/0 is NaN, which counts as no data.
    return [each for each in series if each["value"][1] != "NaN"]
