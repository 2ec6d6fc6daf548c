"""Child processes: started, measured, and stopped also after an error."""

import itertools
import json
import os
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass

from .errors import BenchError

START_TIMEOUT = 30
STOP_TIMEOUT = 10
# Seconds between two checks whether a command has ended, and how many of these checks pass per reading of its memory.
POLL_INTERVAL, POLLS_PER_MEMORY_READ = 0.01, 10


def cpu_seconds(pid):
    """Processor time of a process with all its threads, those that ended included, to the nanosecond.

    This is the clock that clock_getcpuclockid(3) names; /proc/PID/stat has the same in hundredths of a second.
    """
    return time.clock_gettime((~pid << 3) | 2)


def peak_memory(pid):
    """Peak resident memory in bytes."""
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        for line in status:
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    raise BenchError(f"/proc/{pid}/status has no VmHWM")


class Process:
    """A server that runs until it is stopped. Its output goes to files, and errors show the end of them."""

    def __init__(self, name, command, environment=None):
        self.name = name
        self.stderr = tempfile.TemporaryFile("w+")
        self.stdout = tempfile.TemporaryFile("w+")
        try:
            self.popen = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=self.stdout,
                stderr=self.stderr,
                env={**os.environ, **(environment or {})},
                # Ctrl-C reaches the suite only, which stops its processes itself.
                start_new_session=True,
            )
        except FileNotFoundError as error:
            raise BenchError(f"{name} cannot be started: {command[0]} is missing") from error

    @property
    def pid(self):
        return self.popen.pid

    def cpu(self):
        """Its processor time so far, in seconds."""
        return cpu_seconds(self.pid)

    def peak_memory(self):
        """Peak resident memory in bytes."""
        return peak_memory(self.pid)

    def memory(self):
        """Resident memory in bytes."""
        with open(f"/proc/{self.pid}/statm", encoding="ascii") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def wait_for(self, what, ready):
        """Waits until `ready()` is neither None nor False, and returns it."""
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            result = ready()
            if result is not None and result is not False:
                return result
            if self.popen.poll() is not None:
                raise BenchError(f"{self.name} exited while waiting for {what}:\n{self.output()}")
            if time.monotonic() > deadline:
                raise BenchError(f"{self.name}: no {what} within {START_TIMEOUT} s:\n{self.output()}")
            time.sleep(0.02)

    def startup_line(self):
        """The first line on standard output, which is JSON."""

        def first_line():
            self.stdout.seek(0)
            line = self.stdout.readline()
            return json.loads(line) if line.endswith("\n") else None

        return self.wait_for("its first line", first_line)

    def output(self):
        """The end of its output."""
        text = ""
        for file in (self.stdout, self.stderr):
            file.seek(0)
            text += file.read()
        return text[-4000:].strip()

    def stop(self, kill=False):
        """Sends SIGTERM, and SIGKILL if it does not exit in time."""
        if self.popen.poll() is None:
            self.popen.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
            try:
                self.popen.wait(STOP_TIMEOUT)
            except subprocess.TimeoutExpired:
                self.popen.kill()
                self.popen.wait()
        self.stderr.close()
        self.stdout.close()


@dataclass(frozen=True)
class Completed:
    """A command that succeeded."""

    output: str
    seconds: float
    cpu: float
    peak_memory: int


def run(command, timeout, environment=None, folder=None, expected=(0,)):
    """Runs a command to completion, within `timeout` seconds. Returns its output, times and memory.

    Standard error is shown only if the command fails.
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
            raise BenchError(f"{command[0]} is missing") from error
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
            output_end = (printed + errors.read())[-4000:].strip()
            raise BenchError(f"`{' '.join(command)[:300]}` failed ({status}):\n{output_end}")
    return Completed(printed, seconds, usage.ru_utime + usage.ru_stime, memory)


def _reap(process, deadline):
    """Its status, processor time and peak memory. The kernel's peak (`ru_maxrss`) includes the memory of the parent
    before exec, so the peak is read from /proc while the process runs."""
    memory = 0
    for poll in itertools.count():
        pid, status, usage = os.wait4(process.pid, os.WNOHANG)
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
            return process.returncode, usage, memory
        if time.monotonic() > deadline:
            raise BenchError(f"`{' '.join(process.args)[:300]}` timed out")
        if poll % POLLS_PER_MEMORY_READ == 0:
            memory = _peak_memory_if_there(process.pid) or memory
        time.sleep(POLL_INTERVAL)


def _peak_memory_if_there(pid):
    """None if the process has just exited."""
    try:
        return peak_memory(pid)
    except (OSError, BenchError):
        return None
