"""Finds scenarios and checks that they are complete."""

import importlib
import pkgutil
from types import SimpleNamespace

from . import scenarios
from .errors import BenchError

FORMS = ("full", "quick")


class Scenario:
    """A module of bench/suite/scenarios: TITLE, FORMS, EXECUTABLES and run(harness, form)."""

    def __init__(self, name):
        self.name = name
        module = importlib.import_module(f"{scenarios.__name__}.{name}")
        missing = [each for each in ("TITLE", "FORMS", "EXECUTABLES", "run") if not hasattr(module, each)]
        if missing:
            raise BenchError(f"the scenario {name} has no {', '.join(missing)}: see bench/README.md")
        if set(module.FORMS) != set(FORMS):
            raise BenchError(f"the scenario {name} needs the forms {' and '.join(FORMS)}")
        self.title, self.forms, self.executables = module.TITLE, module.FORMS, module.EXECUTABLES
        self.run = module.run

    def form(self, name, rounds=None):
        """The sizes of one form as attributes; `rounds` overrides the form's own."""
        sizes = dict(self.forms[name])
        if rounds is not None and "rounds" in sizes:
            sizes["rounds"] = rounds
        return SimpleNamespace(name=name, **sizes)


def names():
    """The names of all scenarios."""
    return sorted(module.name for module in pkgutil.iter_modules(scenarios.__path__))


def chosen(only):
    """The scenarios with these names, or all."""
    known = names()
    for name in only:
        if name not in known:
            raise BenchError(f"there is no scenario {name}: there are {', '.join(known)}")
    return [Scenario(name) for name in only or known]
