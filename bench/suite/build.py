"""The executables that are measured."""

import os
import subprocess

from .paths import ROOT
from .errors import BenchError

# Arguments of cargo for each. They are built one after the other: packages that are built together unify the features of
# their dependencies, for example one of tracing that costs a front 5 %.
EXECUTABLES = {
    "inrush": ["-p", "inrush", "--bin", "inrush"],
    "inrush-loadtest": ["-p", "inrush-loadtest", "--bin", "inrush-loadtest"],
    "inrush-bench": ["-p", "inrush-bench", "--bin", "inrush-bench"],
    "per_core": ["-p", "inrush-front", "--example", "per_core"],
    "one_runtime": ["-p", "inrush-front", "--example", "one_runtime"],
}


class Executables:
    """Executables that are built with profile `dist`, or found in a given folder."""

    def __init__(self, folder, log):
        self.folder = folder
        self.log = log
        self.paths = {}

    def prepare(self, names):
        """Builds those that are missing."""
        for name in names:
            if name not in self.paths:
                self.paths[name] = self._found(name) if self.folder else self._built(name)

    def path(self, name):
        """The path of an executable."""
        self.prepare([name])
        return self.paths[name]

    def _found(self, name):
        path = self.folder / name
        if not path.exists():
            raise BenchError(f"{name} is not in {self.folder}: build it, or leave --executables out")
        return path

    def _built(self, name):
        arguments = EXECUTABLES[name]
        self.log(f"building {name}")
        command = ["cargo", "build", "--quiet", "--profile", "dist", *arguments]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            raise BenchError(f"{name} does not build: run `{' '.join(command)}`")
        target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
        return ROOT / target / "dist" / ("examples" if "--example" in arguments else "") / name
