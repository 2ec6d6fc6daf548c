"""Processes that are started, watched and, whatever happens, stopped."""

import itertools
import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

from .problem import Problem

STARTS_WITHIN = 30
STOPS_WITHIN = 10
# How often it is looked whether a command has ended, and at which of these looks its memory is read.
LOOK, LOOKS_FOR_MEMORY = 0.01, 10


def cpu_seconds(pid):
    """Processor time of a process with all its threads, those that ended included, to the nanosecond.

    This is the clock that clock_getcpuclockid(3) names; /proc/PID/stat has the same in hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)


def peak_memory(pid):
    """Most bytes that were resident at once."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise Problem(f"/proc/{pid}/status tells no VmHWM")


class Process:
    """A server that runs until it is stopped. Its output goes to a file, which an error shows."""

    def __init__(self, name, command, environment=None):
        self.name = name
        self.log = tempfile.TemporaryFile("w+")
        self.announced = tempfile.TemporaryFile("w+")
        try:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=self.announced,
                stderr=self.log,
                env={**os.environ, **(environment or {})},
                # Ctrl-C is for the suite, which stops its processes itself.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise Problem(f"{name} cannot be started: {command[0]} is missing") from error

    @property
    def pid(self):
        return self.popen.pid

    def cpu(self):
        """Its processor time so far, in seconds."""
        return cpu_seconds(self.pid)

    def peak_memory(self):
        """Most bytes that were resident at once."""
        return peak_memory(self.pid)

    def memory(self):
        """Bytes that are resident now."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def wait_for(self, what, ready):
        """Waits until `ready()` is neither None nor False, and returns it."""
        deadline = time.monotonic() + STARTS_WITHIN
        while True:
            result = ready()
            if result is not None and result is not False:
                return result
            if self.popen.poll() is not None:
                raise Problem(f"{self.name} ended while {what} was waited for:\n{self.output()}")
            if time.monotonic() > deadline:
                raise Problem(f"{self.name}: no {what} within {STARTS_WITHIN} s:\n{self.output()}")
            time.sleep(0.02)

    def announcement(self):
        """The first line that it printed, which is JSON."""

        def first_line():
            self.announced.seek(0)
            line = self.announced.readline()
            return json.loads(line) if line.endswith("\n") else None

        return self.wait_for("announcement", first_line)

    def output(self):
        """The end of what it printed."""
        text = ""
        for file in (self.announced, self.log):
            file.seek(0)
            text += file.read()
        return text[-4000:].strip()

    def stop(self, kill=False):
        """Asks it to end, and kills it if it does not."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                self.popen.wait(STOPS_WITHIN)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.log.close()
        self.announced.close()


@dataclass(frozen=True)
class Ran:
    """A command that ended well."""

    output: str
    seconds: float
    cpu: float
    peak_memory: int


def run(command, timeout, environment=None, folder=None, expected=(0,)):
    """Runs a command to its end, which comes within `timeout` seconds; what it printed, and what it took.

    Standard error is shown if it fails, and else nowhere.
    """
    command = [str(part) for part in command]
    with tempfile.TemporaryFile("w+") as output, tempfile.TemporaryFile("w+") as errors:
        started = time.monotonic()
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                cwd=folder,
                env={**os.environ, **(environment or {})},
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise Problem(f"{command[0]} is missing") from error
        try:
            status, usage, memory = _reap(process, started + timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        seconds = time.monotonic() - started
        output.seek(0)
        errors.seek(0)
        printed = output.read()
        if status not in expected:
            said = (printed + errors.read())[-4000:].strip()
            raise Problem(f"`{' '.join(command)[:300]}` failed ({status}):\n{said}")
    return Ran(printed, seconds, usage.ru_utime + usage.ru_stime, memory)


def _reap(process, deadline):
    """Its status, its processor time and its memory. The kernel's own word on memory at the end (`ru_maxrss`) counts what
    the process that started it had, too, so it is looked at while it runs."""
    memory = 0
    for look in itertools.count():
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage, memory
        if time.monotonic() > deadline:
            raise Problem(f"`{' '.join(process.args)[:300]}` did not end in time")
        if look % LOOKS_FOR_MEMORY == 0:
            memory = _peak_memory_if_there(process.pid) or memory
        time.sleep(LOOK)


def _peak_memory_if_there(pid):
    """None of a process that has just ended."""
    try:
        return peak_memory(pid)
    except (OSError, Problem):
        return None
