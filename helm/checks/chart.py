"""Renders the chart with any helm, values and Kubernetes version."""

import functools
import subprocess

import yaml

from .paths import CHART, HELMS, VALUE_SETS

# The oldest supported version, one between, and the newest with schemas.
KUBERNETES = ["1.28", "1.31", "1.37"]
RELEASE = "inrush"
NAMESPACE = "shop"


class Refused(Exception):
    """Helm failed to render the chart; the text is its message."""


def value_sets():
    """The default values and every file in ci/, by name."""
    return {"default": None} | {path.stem: path for path in sorted(VALUE_SETS.glob("*.yaml"))}


@functools.cache
def rendered(values=None, helm="helm 4", kubernetes="1.31"):
    """All rendered objects, hooks included."""
    command = [HELMS[helm], "template", RELEASE, CHART, "--namespace", NAMESPACE, "--kube-version", kubernetes]
    if values:
        command += ["--values", values]
    completed = subprocess.run(command, capture_output=True, text=True, check=False)
    if completed.returncode:
        raise Refused(completed.stderr)
    return tuple(each for each in yaml.safe_load_all(completed.stdout) if each)


def name_of(thing):
    """The name of an object in messages."""
    return f"{thing['kind']} {thing['metadata']['name']}"


def found(objects, kind, name):
    """The object of this kind and name, which must exist."""
    [only] = [each for each in objects if each["kind"] == kind and each["metadata"]["name"] == name]
    return only
