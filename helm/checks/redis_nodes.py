"""Simulates the StatefulSet of the bundled Redis with processes: a pod is a folder, a name in the hosts file, and the commands
of its containers with their environment. Needs its own mount and network namespaces, which test_redis.py creates."""

import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from . import chart

PASSWORD = "for-this-check-only"
# A split vote is repeated after twenty seconds.
TIMEOUT = 120


def main():
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    objects = chart.rendered(chart.value_sets()["sentinel"])
    stateful_set = chart.found(objects, "StatefulSet", "inrush-redis")
    files = chart.found(objects, "ConfigMap", "inrush-redis")["data"]
    with tempfile.TemporaryDirectory() as folder:
        pods = _pods(stateful_set, files, pathlib.Path(folder))
        try:
            _play(pods)
        finally:
            for pod in pods:
                pod.kill()


def _play(pods):
    for pod in pods:
        pod.start()
    first, *others = pods
    _until("the first pod is the master, with all others behind it", lambda: first.replicas() == len(others))
    _until("every sentinel lists the others", lambda: all(pod.sentinels() == len(others) for pod in pods))
    # Sentinels read the replicas from the master's INFO, every ten seconds. They cannot reconfigure an unknown replica.
    _until("every sentinel lists the replicas", lambda: all(pod.known_replicas() == len(others) for pod in pods))
    first.ask("set", "ticket", "1")
    _until("a replica has what the master has", lambda: all(pod.ask("get", "ticket") == "1" for pod in others))

    first.kill()
    _until("another is the master", lambda: any(pod.replicas() == len(others) - 1 for pod in others))
    [master] = [pod for pod in others if pod.replicas() == len(others) - 1]
    _until("the sentinels report the new master", lambda: all(pod.master() == master.host for pod in others))

    first.start()
    _until("the first is back as a replica", lambda: master.replicas() == len(others) and first.ask("get", "ticket") == "1")
    assert first.role() == "slave", first.role()


class Pod:
    """One node: Redis and its sentinel."""

    def __init__(self, name, address, host, containers, folder):
        self.host = host
        self.address = address
        self.containers = containers
        self.folder = folder
        self.name = name
        self.processes = []

    def start(self):
        """Starts the pod as Kubernetes does: of an earlier pod only the volume is left."""
        run = self.folder / "run"
        shutil.rmtree(run, ignore_errors=True)
        run.mkdir()
        self.processes = [self._process(container) for container in self.containers]

    def _process(self, container):
        environment = {"PATH": "/usr/bin:/bin", "POD_NAME": self.name}
        for variable in container["env"]:
            environment.setdefault(variable["name"], variable.get("value", PASSWORD))
        # Mounts the volumes and the configuration, with the pod's own listen address, at the paths of the container.
        script = f"""
            set -eu
            mkdir -p /etc/inrush /run/inrush /data
            mount --bind {self.folder}/etc /etc/inrush
            mount --bind {self.folder}/run /run/inrush
            mount --bind {self.folder}/data /data
            exec "$@"
        """
        with open(self.folder / f"{container['name']}.log", "a") as log:
            command = ["unshare", "--mount", "sh", "-c", script, "sh", *container["command"]]
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def kill(self):
        for process in self.processes:
            process.kill()
            process.wait()
        self.processes = []

    def ask(self, *words, port=6379):
        command = ["redis-cli", "-h", self.address, "-p", str(port), "--no-auth-warning", "-a", PASSWORD, *words]
        completed = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        return completed.stdout.strip()

    def role(self):
        return self.ask("role").partition("\n")[0]

    def replicas(self):
        """The number of connected replicas in sync; 0 if the node is not a master."""
        return self.ask("info", "replication").count("state=online") if self.role() == "master" else 0

    def sentinels(self):
        return self.ask("sentinel", "sentinels", "inrush", port=26379).count("runid")

    def known_replicas(self):
        return self.ask("sentinel", "replicas", "inrush", port=26379).count("runid")

    def master(self):
        return self.ask("sentinel", "get-master-addr-by-name", "inrush", port=26379).partition("\n")[0]


def _pods(stateful_set, files, folder):
    """A folder for each pod, and its name in a hosts file that only this process and its children see."""
    template = stateful_set["spec"]["template"]["spec"]
    hosts = "127.0.0.1 localhost\n"
    pods = []
    for number in range(stateful_set["spec"]["replicas"]):
        name = f"{stateful_set['metadata']['name']}-{number}"
        host = f"{name}.{stateful_set['spec']['serviceName']}.{chart.NAMESPACE}.svc"
        address = f"127.0.1.{number + 1}"
        hosts += f"{address} {host}\n"
        place = folder / name
        for each in ("etc", "data"):
            (place / each).mkdir(parents=True)
        for file, text in files.items():
            # All pods share one machine, so each listens on its own address only.
            (place / "etc" / file).write_text(text.replace("port 6379", f"port 6379\nbind {address}").replace("port 26379", f"port 26379\nbind {address}"))
        pods.append(Pod(name, address, host, template["containers"], place))
    (folder / "hosts").write_text(hosts)
    subprocess.run(["mount", "--bind", folder / "hosts", "/etc/hosts"], check=True)
    return pods


def _until(what, holds):
    end = time.monotonic() + TIMEOUT
    while not holds():
        if time.monotonic() > end:
            sys.exit(f"not within {TIMEOUT} s: {what}")
        time.sleep(0.2)
    print(what)


if __name__ == "__main__":
    main()
