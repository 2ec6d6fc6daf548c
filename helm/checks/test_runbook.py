"""The commands of the runbook exist, and its links work."""

import re
import shlex
import unittest

from . import inrush
from .paths import RUNBOOK

# No server listens there: a valid command fails with 1, an invalid one with 2.
UNREACHABLE = {"INRUSH_SERVER": "http://127.0.0.1:1", "INRUSH_CLIENT_TIMEOUT": "100ms"}
MISUSED = 2


class Runbook(unittest.TestCase):
    def test_every_command_is_one(self):
        commands = set(_commands(RUNBOOK.read_text()))
        self.assertGreater(len(commands), 15)
        for command in sorted(commands):
            with self.subTest(command=command):
                completed = inrush.run(*shlex.split(command)[1:], environment=UNREACHABLE)
                self.assertNotEqual(completed.returncode, MISUSED, completed.stderr)

    def test_a_command_that_is_none_would_be_noticed(self):
        self.assertEqual(inrush.run("sale", "hold", "phone-x", "--part", "everything", environment=UNREACHABLE).returncode, MISUSED)

    def test_every_link_leads_somewhere(self):
        text = RUNBOOK.read_text()
        headings = {_anchor(heading) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
        for path, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]*))?\)", text):
            with self.subTest(link=f"{path}#{anchor}"):
                self.assertTrue((RUNBOOK.parent / path).exists())
                if anchor and not path:
                    self.assertIn(anchor, headings)


def _commands(text):
    """Commands of `inrush` in code blocks and in the text, without comments."""
    for line in re.findall(r"^ *\$ (inrush .+)$", text, re.MULTILINE) + re.findall(r"`(inrush [a-z][^`]*)`", text):
        yield line.partition(" #")[0].strip()


def _anchor(heading):
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


