"""The binary accepts the configuration files, secrets and commands of the chart."""

import base64
import contextlib
import json
import re
import tempfile
import tomllib
import unittest
from pathlib import Path

from . import chart, inrush
from .paths import CHART

# Keys that are not in `config`: the chart sets addresses, certificates and secrets, and it has no client settings.
OF_THE_CHART = {
    "admin.listen",
    "front.listen",
    "front.tls.cert_file",
    "front.tls.client_ca_file",
    "front.tls.key_file",
    "fulfilment.orders",
    "fulfilment.tls.ca_file",
    "fulfilment.tls.cert_file",
    "fulfilment.tls.domain",
    "fulfilment.tls.key_file",
    "orders.database",
    "orders.front",
    "orders.front_token_file",
    "orders.listen",
    "server",
    "store.ca_file",
    "store.url",
}
SECRETS_AND_CLIENTS = ("admin.token", "client.", "tickets.")


class Configuration(unittest.TestCase):
    def test_every_file_is_taken_and_every_value_arrives(self):
        for name, values in chart.value_sets().items():
            for each in chart.rendered(values):
                text = each.get("data", {}).get("inrush.toml")
                if each["kind"] != "ConfigMap" or text is None:
                    continue
                with self.subTest(values=name, file=each["metadata"]["name"]):
                    given = dict(_flat(tomllib.loads(text)))
                    effective = _effective(self, text)
                    self.assertGreater(len(given), 3)
                    for key, value in given.items():
                        entry = effective[key]
                        self.assertIn("inrush.toml", entry["origin"], key)
                        self.assertEqual(_plain(entry["value"]), _plain(value), key)

    def test_the_schema_has_every_key_that_can_be_set(self):
        """Every key of the binary is in the schema of `config`, or is set by the chart."""
        definitions = json.loads((CHART / "values.schema.json").read_text())["definitions"]
        known = set()
        for table in ("log", "telemetry", "store", "front", "fulfilment", "orders"):
            known |= set(_keys_of(definitions, definitions[f"config.{table}"], f"{table}."))
        settable = {key for key in _effective(self, "") if key not in OF_THE_CHART and not key.startswith(SECRETS_AND_CLIENTS)}
        self.assertEqual(known, settable)

    def test_the_generated_ticket_key_is_one(self):
        secret = chart.found(chart.rendered(), "Secret", "inrush-ticket-keys")
        key = base64.b64decode(secret["data"]["ticket.keys"]).decode()
        arguments = ["front", "--store", "memory:", "--listen", "127.0.0.1:0", "--admin-listen", "off"]
        with inrush.serving(*arguments, environment={"INRUSH_TICKETS_KEYS": key}) as addresses:
            self.assertIn("front", addresses)

    def test_the_job_creates_the_sales_and_changes_nothing_the_second_time(self):
        job = chart.found(chart.rendered(chart.value_sets()["sales"]), "Job", "inrush-sales")
        commands = [container["args"] for container in job["spec"]["template"]["spec"]["containers"]]
        # The sale with durability `fsync` needs a Redis that syncs before it replies.
        with inrush.redis("--appendonly", "yes", "--appendfsync", "always") as store, _cluster("--store", store) as server:
            for _ in range(2):
                for command in commands:
                    completed = inrush.run(*command, environment=server)
                    self.assertEqual(completed.returncode, 0, completed.stderr)
                # Changes by operators are not undone.
                self.assertEqual(inrush.run("sale", "update", "phone-x", "--stock", "2100", environment=server).returncode, 0)
            listed = json.loads(inrush.run("sale", "list", "--json", environment=server).stdout)["sales"]
        self.assertEqual({sale["sale_id"] for sale in listed}, {"phone-x", "lunch", "soon"})
        [phone] = [sale for sale in listed if sale["sale_id"] == "phone-x"]
        self.assertEqual((phone["stock"], phone["cap"], phone["unit_limit"]), (2100, 2400, 2))

    def test_helm_test_sells_ten_units(self):
        """The command of the test pod, against a cluster in one process."""
        [container] = chart.found(chart.rendered(), "Pod", "inrush-test")["spec"]["containers"]
        with _cluster() as server, tempfile.TemporaryDirectory() as folder:
            host = server["INRUSH_SERVER"].removeprefix("http://")
            arguments = [host if each == "inrush-front.shop.svc:50051" else each for each in container["args"]]
            summary = Path(folder) / "summary.json"
            completed = inrush.run(*arguments, "--json", summary, program=container["command"][0])
            self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)
            self.assertIn("PASS", completed.stdout + completed.stderr)
        self.assertNotEqual(arguments, container["args"])


@contextlib.contextmanager
def _cluster(*arguments):
    """Starts all services in one process; yields the environment of a client."""
    addresses = ["--listen", "127.0.0.1:0", "--orders-listen", "127.0.0.1:0", "--admin-listen", "off"]
    with inrush.serving("up", *addresses, *arguments) as addresses:
        yield {"INRUSH_SERVER": addresses["front"]}


def _effective(test, text):
    """The output of `inrush config` for a file: key → value and origin."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "inrush.toml"
        path.write_text(text)
        completed = inrush.run("config", "--config", path, "--json")
    test.assertEqual(completed.returncode, 0, completed.stderr)
    config = json.loads(completed.stdout)
    return {entry["key"]: entry for entry in (config["settings"] if isinstance(config, dict) else config)}


def _flat(table, path=""):
    for key, value in table.items():
        if isinstance(value, dict) and path + key != "orders.stock":
            yield from _flat(value, f"{path}{key}.")
        else:
            yield path + key, value


def _plain(value):
    """Normalises equal values: 1 and 1.0, 1500ms and 1s 500ms."""
    if isinstance(value, str) and re.fullmatch(r"(\d+(ms|s|m|h) ?)+", value):
        milliseconds = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000}
        return sum(int(count) * milliseconds[unit] for count, unit in re.findall(r"(\d+)(ms|s|m|h)", value))
    return value


def _keys_of(definitions, schema, path):
    for name, inner in schema["properties"].items():
        inner = definitions[inner["$ref"].removeprefix("#/definitions/")] if "$ref" in inner else inner
        if "properties" in inner:
            yield from _keys_of(definitions, inner, f"{path}{name}.")
        else:
            yield path + name
