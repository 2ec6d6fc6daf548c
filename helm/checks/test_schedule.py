"""The schedule changes the autoscaler, and is allowed to change nothing else. Runs the real kubectl against a server with
one autoscaler."""

import http.server
import json
import subprocess
import tempfile
import threading
import unittest

from . import chart
from .paths import KUBECTL

AUTOSCALER = "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers/inrush-front"
TIMEOUT = 60


class Schedule(unittest.TestCase):
    def test_kubectl_raises_and_lowers_the_minimum(self):
        objects = chart.rendered(chart.value_sets()["real-sale"])
        for name, replicas in [("inrush-singles-day-up", 24), ("inrush-singles-day-down", 4), ("inrush-lunch-up", 8)]:
            with self.subTest(job=name):
                job = chart.found(objects, "CronJob", name)["spec"]["jobTemplate"]["spec"]["template"]["spec"]
                self.assertEqual(_patches(self, job["containers"][0]), [(AUTOSCALER, {"spec": {"minReplicas": replicas}})])

    def test_its_account_may_do_that_and_nothing_else(self):
        objects = chart.rendered(chart.value_sets()["real-sale"])
        role = chart.found(objects, "Role", "inrush-front-schedule")
        rule = {
            "apiGroups": ["autoscaling"],
            "resources": ["horizontalpodautoscalers"],
            "resourceNames": ["inrush-front"],
            "verbs": ["get", "patch"],
        }
        self.assertEqual(role["rules"], [rule])
        binding = chart.found(objects, "RoleBinding", "inrush-front-schedule")
        self.assertEqual([subject["name"] for subject in binding["subjects"]], ["inrush-front-schedule"])
        with_token = [each["metadata"]["name"] for each in objects if _pod(each).get("automountServiceAccountToken")]
        self.assertEqual(with_token, [each["metadata"]["name"] for each in objects if each["kind"] == "CronJob"])


def _patches(test, container):
    """Runs the container's command and returns its change."""
    patches = []
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _handler(patches)) as server, tempfile.TemporaryDirectory() as home:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"--server=http://127.0.0.1:{server.server_address[1]}"
        environment = {"HOME": home, "KUBECACHEDIR": home}
        command = [KUBECTL, address, *container["args"]]
        completed = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=TIMEOUT, check=False)
        server.shutdown()
    test.assertEqual(container["command"], ["kubectl"])
    test.assertEqual(completed.returncode, 0, completed.stderr)
    return patches


def _handler(patches):
    autoscaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "inrush-front", "namespace": "shop"},
        "spec": {"minReplicas": 1, "maxReplicas": 60},
    }
    resource = {"name": "horizontalpodautoscalers", "kind": "HorizontalPodAutoscaler", "namespaced": True, "verbs": ["get", "patch"]}
    version = {"groupVersion": "autoscaling/v2", "version": "v2"}
    answers = {
        "/api": {"kind": "APIVersions", "versions": ["v1"]},
        "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
        "/apis": {"kind": "APIGroupList", "groups": [{"name": "autoscaling", "versions": [version], "preferredVersion": version}]},
        "/apis/autoscaling/v2": {"kind": "APIResourceList", "groupVersion": "autoscaling/v2", "resources": [resource]},
        AUTOSCALER: autoscaler,
    }

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self._answer(answers.get(self.path.partition("?")[0]))

        def do_PATCH(self):
            change = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            patches.append((self.path.partition("?")[0], change))
            self._answer(autoscaler | {"spec": autoscaler["spec"] | change["spec"]})

        def log_message(self, *_):
            pass

        def _answer(self, found):
            body = json.dumps(found or {"kind": "Status", "status": "Failure", "code": 404}).encode()
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


def _pod(thing):
    spec = thing.get("spec", {})
    if thing["kind"] == "CronJob":
        spec = spec["jobTemplate"]["spec"]
    return spec if thing["kind"] == "Pod" else spec.get("template", {}).get("spec", {})
