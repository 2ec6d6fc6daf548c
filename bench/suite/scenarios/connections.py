"""What Enqueue costs as connections and payloads grow."""

from .. import load, workloads
from ..measure import interleaved
from ..report import Plot, Report, Series
from ..tables import Table, number, span

TITLE = "Connections and payloads"
EXECUTABLES = ("inrush", "inrush-loadtest")
FORMS = {
    "full": {"rounds": 3, "calls": 200_000, "connections": (1, 4, 16, 64, 256, 1000), "payloads": (0, 64, 256, 1024)},
    "quick": {"rounds": 1, "calls": 50_000, "connections": (1, 1000), "payloads": (0, 1024)},
}
# As many callers as the most connections, so that each connection has one at least.
CALLERS = 1000

TEXT = """
Enqueue by {callers} callers in a closed loop, over an increasing number of connections without a payload, and over
{usual} connections with increasing payloads. Times are processor time per call; medians of {rounds} interleaved
rounds, with the range of the rounds in brackets.
"""
NOTES = """
- One connection is served by one core; the load and Redis use the other one.
- The more connections the same callers use, the fewer calls share a read or a write. The cost of system calls
  therefore grows on both sides, until each connection has one call in flight.
- The front copies a payload once, and Redis keeps it until the ticket is claimed.
"""


def run(harness, form):
    redis = harness.redis()
    front = harness.front(redis)
    watch = {"front": front, "redis": redis}

    def calls(connections, payload):
        redis.flush()
        harness.create_sale(front, workloads.SALE, form.calls)
        buyers = harness.enqueues(workloads.SALE, form.calls, payload=bytes(payload))
        options = {"messages": buyers, "watch": watch, "connections": connections, "in_flight": CALLERS}
        return harness.call(front, load.ENQUEUE, form.calls, **options).metrics()

    def measured(values, call):
        ways = {value: lambda value=value: call(value) for value in values}
        return interleaved(form.rounds, ways, harness.log)

    by_connections = measured(form.connections, lambda connections: calls(connections, 0))
    by_payload = measured(form.payloads, lambda payload: calls(load.CONNECTIONS, payload))
    return Report(
        text=TEXT.format(callers=CALLERS, usual=load.CONNECTIONS, rounds=form.rounds),
        tables=[_table("connections", by_connections), _table("payload, bytes", by_payload)],
        plots=[
            _plot("connections", "Enqueue over more connections", "connections", by_connections, x_log=True),
            _plot("payloads", "Enqueue with larger payloads", "bytes of payload", by_payload),
        ],
        notes=NOTES,
        data={"connections": workloads.as_data(by_connections), "payloads": workloads.as_data(by_payload)},
    )


def _table(what, results):
    rows = [
        [number(value), number(each["rate"].median), span(each["front_us"]), span(each["redis_us"]), span(each["load_us"])]
        for value, each in results.items()
    ]
    return Table((what, "calls/s", "front, µs", "Redis, µs", "load tool, µs"), rows)


def _plot(name, title, x_label, results, x_log=False):
    series = [
        Series.of(shown, results, [each[key] for each in results.values()])
        for shown, key in (("front", "front_us"), ("Redis", "redis_us"), ("load tool", "load_us"))
    ]
    return Plot(name, title, x_label, "µs of processor time", series, x_log=x_log)
