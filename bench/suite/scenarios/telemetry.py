"""What telemetry costs: Enqueue with everything on, and with everything off."""

import json
import threading
import urllib.request

from .. import load, workloads
from ..measure import interleaved, ratio
from ..errors import BenchError
from ..redis import free_port
from ..report import Plot, Report, Series
from ..harness import Server
from ..tables import Table, number, span

TITLE = "The cost of telemetry"
EXECUTABLES = ("inrush", "inrush-loadtest", "inrush-bench")
FORMS = {
    "full": {"rounds": 41, "calls": 150_000},
    "quick": {"rounds": 2, "calls": 100_000},
}
ON, OFF = "everything on", "everything off"
BUDGET = 0.95
# Much more often than usual.
SCRAPES_EVERY = 1.0

TEXT = """
The same front twice. *{on}*: metrics, logs and traces go to a collector (`inrush-bench sink`, which counts what it
receives without decoding it further, on the same two cores), a tenth of the calls is traced, metrics are exported
every second and scraped from the admin port every second. *{off}*: no collector, no admin port. Counting cannot be
disabled and is part of both. Enqueue through Redis, {in_flight} callers on {connections} connections; medians of
{rounds} interleaved rounds, with the range of the rounds in brackets. The budget is {budget} of the rate.
"""


def run(harness, form):
    sink = harness.server("sink", [harness.executable("inrush-bench"), "sink"])
    collector = f"http://{sink.startup_line()['listen']}"
    redis_on, redis_off = harness.redis(), harness.redis()
    front_on, scraper = _front_on(harness, redis_on, collector)
    front_off = harness.front(redis_off)
    ways = {
        ON: lambda: _enqueue(harness, front_on, redis_on, form.calls),
        OFF: lambda: _enqueue(harness, front_off, redis_off, form.calls),
    }
    results = interleaved(form.rounds, ways, harness.log)
    scraper.stop()
    came = _came(sink, scraper)
    share = ratio(results[ON]["rate"], results[OFF]["rate"])
    rows = [
        [name, span(each["rate"]), span(each["front_us"]), span(each["redis_us"])] for name, each in results.items()
    ]
    verdict = "met" if share.median >= BUDGET else "**missed**"
    text = TEXT.format(
        on=ON.capitalize(),
        off=OFF.capitalize(),
        in_flight=load.IN_FLIGHT,
        connections=load.CONNECTIONS,
        rounds=form.rounds,
        budget=BUDGET,
    )
    notes = (
        f"With everything on, the rate is {span(share)} of that with everything off: {verdict}. The collector received"
        f" {number(came['spans'])} spans, {number(came['metrics'])} metrics and {number(came['logs'])} log lines, and"
        f" {number(came['scrapes'])} scrapes were answered."
    )
    series = [Series.of("front", list(results), [each["front_us"] for each in results.values()])]
    return Report(
        text=text,
        tables=[Table(("telemetry", "calls/s", "front, µs", "Redis, µs"), rows)],
        plots=[Plot("cost", "What an Enqueue costs the front", "", "µs of processor time", series, kind="bar")],
        notes=notes,
        data={"share": share.as_data(), "came": came, "measured": workloads.as_data(results)},
    )


def _front_on(harness, redis, collector):
    admin = f"127.0.0.1:{free_port()}"
    environment = {
        "INRUSH_TELEMETRY_OTLP_ENDPOINT": collector,
        "INRUSH_TELEMETRY_SAMPLING_RATIO": "0.1",
        "INRUSH_TELEMETRY_METRICS_INTERVAL": "1s",
    }
    command = ["front", "--store", redis.url, "--listen", "127.0.0.1:0", "--admin-listen", admin, "--json"]
    command += ["--ticket-keys-file", harness.ticket_keys()]
    process = harness.server("front", [harness.executable("inrush"), *command], environment)
    address = process.startup_line()["front"].removeprefix("http://")
    scraper = Scraper(f"http://{admin}/metrics")
    harness.callback(scraper.stop)
    return Server(process, address), scraper


def _enqueue(harness, front, redis, calls):
    redis.flush()
    harness.create_sale(front, workloads.SALE, calls)
    buyers = harness.enqueues(workloads.SALE, calls)
    return harness.call(front, load.ENQUEUE, calls, messages=buyers, watch={"front": front, "redis": redis}).metrics()


def _came(sink, scraper):
    """What arrived where it was sent. Nothing that is measured here may be missing."""

    def totals():
        lines = [line for line in sink.output().splitlines() if '"metrics"' in line]
        return json.loads(lines[-1]) if lines else None

    came = {**sink.wait_for("telemetry", totals), "scrapes": scraper.answered}
    missing = [what for what, count in came.items() if what != "logs" and not count]
    if missing:
        raise BenchError(f"no {', '.join(missing)} came, so this is not everything: {came}")
    return came


class Scraper:
    """Asks for metrics again and again, as Prometheus does, until it is stopped."""

    def __init__(self, url):
        self.url = url
        self.answered = 0
        self.done = threading.Event()
        self.thread = threading.Thread(target=self._scrape, daemon=True)
        self.thread.start()

    def stop(self):
        self.done.set()
        self.thread.join()

    def _scrape(self):
        while not self.done.wait(SCRAPES_EVERY):
            with urllib.request.urlopen(self.url, timeout=10) as answer:
                answer.read()
            self.answered += 1
