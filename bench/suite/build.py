"""The executables that are measured."""

import os
import subprocess

from .places import ROOT
from .problem import Problem

# How cargo is told of each. They are built one after the other: built together, crates turn features on in what they
# share, such as one of tracing that costs a front 5 %.
EXECUTABLES = {
    "inrush": ["-p", "inrush", "--bin", "inrush"],
    "inrush-loadtest": ["-p", "inrush-loadtest", "--bin", "inrush-loadtest"],
    "inrush-bench": ["-p", "inrush-bench", "--bin", "inrush-bench"],
    "one_runtime": ["-p", "inrush-front", "--example", "one_runtime"],
}


class Executables:
    """Built with profile `dist`, or found in a folder that is given."""

    def __init__(self, folder, tell):
        self.folder = folder
        self.tell = tell
        self.paths = {}

    def prepare(self, names):
        """Builds those that are not there yet."""
        for name in names:
            if name not in self.paths:
                self.paths[name] = self._found(name) if self.folder else self._built(name)

    def path(self, name):
        """Where one is."""
        self.prepare([name])
        return self.paths[name]

    def _found(self, name):
        path = self.folder / name
        if not path.exists():
            raise Problem(f"{name} is not in {self.folder}: build it, or leave --executables out")
        return path

    def _built(self, name):
        arguments = EXECUTABLES[name]
        self.tell(f"building {name}")
        command = ["cargo", "build", "--quiet", "--profile", "dist", *arguments]
        if subprocess.run(command, cwd=ROOT).returncode != 0:
            raise Problem(f"{name} cannot be built: `{' '.join(command)}` says why")
        target = os.environ.get("CARGO_TARGET_DIR", ROOT / "target")
        return ROOT / target / "dist" / ("examples" if "--example" in arguments else "") / name
