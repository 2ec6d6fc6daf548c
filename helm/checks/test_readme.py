"""Every value is documented, checked by the schema and accepted by the binary."""

import json
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

import yaml

from .paths import CHART, README_GENERATOR, WRITE


# These look like values of the table `tls`.
KEYS_OF_SECRETS = {"tls.crt", "tls.key"}


class Readme(unittest.TestCase):
    maxDiff = None

    def test_the_table_of_values_is_the_one_that_the_comments_make(self):
        readme = CHART / "README.md"
        with tempfile.TemporaryDirectory() as folder:
            fresh = Path(folder) / "README.md"
            shutil.copy(readme, fresh)
            command = [README_GENERATOR, "--values", CHART / "values.yaml", "--readme", fresh]
            completed = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)
            if WRITE:
                shutil.copy(fresh, readme)
            self.assertEqual(readme.read_text(), fresh.read_text(), "`tools/helm-test --write` makes it anew")

    def test_the_schema_knows_every_value(self):
        """The schema rejects unknown keys in the chart's own tables. Kubernetes checks its own."""
        schema = json.loads((CHART / "values.schema.json").read_text())
        values = yaml.safe_load((CHART / "values.yaml").read_text())
        for path in _walk(values):
            with self.subTest(value=path):
                found = _schema_of(schema, path)
                self.assertIsNotNone(found, "values.schema.json does not know it")
                if "properties" in found:
                    self.assertIs(found["additionalProperties"], False)

    def test_every_named_value_exists(self):
        """Every value that messages, notes and the runbook name exists."""
        schema = json.loads((CHART / "values.schema.json").read_text())
        tables = "|".join(schema["properties"])
        for path in [*CHART.glob("templates/validate/*.tpl"), CHART / "templates" / "NOTES.txt"]:
            named = re.findall(rf"(?<![\w./$-])(?:{tables})(?:\.[a-zA-Z_]+[a-zA-Z0-9_]*)+", path.read_text())
            for name in set(named) - KEYS_OF_SECRETS:
                with self.subTest(file=path.name, value=name):
                    self.assertIsNotNone(_schema_of(schema, name), "there is no such value")


def _walk(values, path=""):
    for key, value in values.items():
        yield path + key
        if isinstance(value, dict):
            yield from _walk(value, f"{path}{key}.")


def _schema_of(schema, path):
    node = schema
    for key in path.split("."):
        node = _resolved(schema, node).get("properties", {}).get(key) or _free(schema, node)
        if node is None:
            return None
    return _resolved(schema, node)


def _free(schema, node):
    """The schema of entries with free names."""
    node = _resolved(schema, node)
    more = node.get("additionalProperties")
    if isinstance(more, dict):
        return more
    return {} if more is None and (node == {} or (node.get("type") == "object" and "properties" not in node)) else None


def _resolved(schema, node):
    if "$ref" in node:
        return schema["definitions"][node["$ref"].removeprefix("#/definitions/")]
    return node
