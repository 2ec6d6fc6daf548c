"""The chart, rendered: by any helm, with any values, for any Kubernetes."""

import functools
import subprocess

import yaml

from .paths import CHART, HELMS, VALUE_SETS

# The oldest that the chart supports, one between, and the newest that there are schemas for.
KUBERNETES = ["1.28", "1.31", "1.37"]
RELEASE = "inrush"
NAMESPACE = "shop"


class Refused(Exception):
    """Helm would not render it; the text is what an operator reads."""


def value_sets():
    """The default and every file in ci/, by name."""
    return {"default": None} | {path.stem: path for path in sorted(VALUE_SETS.glob("*.yaml"))}


@functools.cache
def rendered(values=None, helm="helm 4", kubernetes="1.31"):
    """All objects, hooks included, as Helm would send them."""
    command = [HELMS[helm], "template", RELEASE, CHART, "--namespace", NAMESPACE, "--kube-version", kubernetes]
    if values:
        command += ["--values", values]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise Refused(completed.stderr)
    return tuple(each for each in yaml.safe_load_all(completed.stdout) if each)


def name_of(thing):
    """What an object is called in the messages of checks."""
    return f"{thing['kind']} {thing['metadata']['name']}"


def found(objects, kind, name):
    """The object of this kind and name; there must be one."""
    [only] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return only
