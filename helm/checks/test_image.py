"""The programs of the image run without any other file. The root folder that the Containerfile copies becomes the root of a
process in its own namespaces, also of the network, so that it resolves names as a container does."""

import os
import subprocess
import sys
import unittest

from .paths import ROOT

# The image's USER.
USER = "65532"
IMAGE = ROOT / "target" / "image"
TIMEOUT = 300
# Enough for stripped release binaries; an image of this size is pulled in a second or two.
LARGEST_BINARY = 120 * 1024 * 1024


class Image(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        completed = subprocess.run([ROOT / "tools" / "image-root", "dev", IMAGE], capture_output=True, text=True, check=False)
        if completed.returncode:
            raise AssertionError(completed.stderr)

    def test_there_is_nothing_but_the_binaries_and_what_they_read(self):
        files = {str(path.relative_to(IMAGE)) for path in IMAGE.rglob("*") if path.is_file()}
        configuration = {"etc/nsswitch.conf", "etc/passwd", "etc/group", "etc/ssl/certs/ca-certificates.crt"}
        self.assertEqual(files, {"bin/inrush", "bin/inrush-loadtest"} | configuration)
        for program in ("inrush", "inrush-loadtest"):
            with self.subTest(program=program):
                headers = subprocess.run(["readelf", "--program-headers", "--dynamic", IMAGE / "bin" / program], capture_output=True, text=True, check=True)
                self.assertNotIn("INTERP", headers.stdout, "it needs a loader")
                self.assertNotIn("(NEEDED)", headers.stdout, "it needs a shared library")
                self.assertLess((IMAGE / "bin" / program).stat().st_size, LARGEST_BINARY)

    def test_it_prints_its_version(self):
        for program in ("inrush", "inrush-loadtest"):
            completed = _in_the_image(f"/bin/{program}", "--version")
            self.assertEqual(completed.returncode, 0, completed.stderr)
            self.assertRegex(completed.stdout, rf"^{program} \d+\.\d+\.\d+")

    def test_it_runs_a_whole_sale(self):
        completed = _in_the_image("/bin/inrush", "demo", "--buyers", "500", "--stock", "100")
        self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)
        for zero in ("oversold", "lost", "duplicated", "out of order"):
            self.assertRegex(completed.stdout, rf"{zero}\W+0\b")

    def test_the_load_tool_finds_the_binary_beside_it(self):
        completed = _in_the_image("/bin/inrush-loadtest", "sale", "--buyers=50", "--units=10", "--within=1s")
        self.assertEqual(completed.returncode, 0, completed.stdout + completed.stderr)
        self.assertIn("PASS", completed.stdout)

    def test_names_are_found_in_the_hosts_file_and_in_dns(self):
        """A static glibc cannot load its modules for name resolution; these programs must work without them."""
        for name in ("front.hosts", "front.dns"):
            with self.subTest(name=name):
                completed = _in_the_image("/bin/inrush", "sale", "list", "--server", f"http://{name}:50051", "--timeout", "2s")
                # The name resolves, and the port is closed.
                self.assertIn("refused", completed.stdout + completed.stderr)
        completed = _in_the_image("/bin/inrush", "sale", "list", "--server", "http://front.nowhere:50051", "--timeout", "2s")
        self.assertNotIn("refused", completed.stdout + completed.stderr)


def _in_the_image(*command):
    """Runs a command with the image as its root file system, as an unprivileged user, in an empty network.

    Like a container runtime it provides a hosts file, a name server, devices such as /dev/null, and writable folders."""
    root = os.geteuid() == 0
    user = f"--userspec={USER}:{USER}" if root else ""
    script = f"""
        set -eu
        ip link set lo up
        root=$(mktemp --directory)
        mount -t tmpfs tmpfs $root
        cp -a {IMAGE}/. $root/
        mount -t tmpfs -o mode=1777 tmpfs $root/tmp
        echo "127.0.0.1 localhost front.hosts" >$root/etc/hosts
        echo "nameserver 127.0.0.1" >$root/etc/resolv.conf
        mkdir $root/dev
        for device in null zero random urandom; do
            touch $root/dev/$device
            mount --bind /dev/$device $root/dev/$device
        done
        mount -o remount,ro $root
        exec {sys.executable} -m checks.name_server chroot {user} $root "$@"
    """
    unshare = ["unshare", "--mount", "--net", *([] if root else ["--map-root-user"])]
    return subprocess.run(
        [*unshare, "sh", "-c", script, "sh", *command],
        cwd=ROOT / "helm",
        env={"PATH": "/bin:/usr/bin:/usr/sbin:/sbin"},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
        check=False,
    )
