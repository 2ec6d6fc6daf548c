"""What each operation of the store costs Redis, in batches of several sizes."""

import json

from ..measure import interleaved
from ..report import Plot, Report, Series
from ..workloads import as_data
from ..tables import Table, number, span

TITLE = "The cost of each script in Redis"
EXECUTABLES = ("inrush-bench",)
FORMS = {
    "full": {"rounds": 5, "waiting": 100_000, "tickets": {1: 5_000, 16: 40_000, 256: 50_000}},
    "quick": {"rounds": 1, "waiting": 20_000, "tickets": {1: 1_000, 16: 10_000, 256: 10_000}},
}
OPERATIONS = {
    "floor": "a script that only reads the arguments of as many admissions",
    "admit": "admit",
    "admit_again": "admit, queued already",
    "look_up": "look up",
    "look_up_cancelled": "look up, every tenth queued cancelled",
    "cancel": "cancel",
    "claim": "claim",
    "settle": "settle, all ordered",
}

TEXT = """
Microseconds of Redis per ticket: the whole process, its network included, while {waiting:,} buyers with ids of 16
bytes wait in one sale. Medians of {rounds} interleaved rounds, with the range of the rounds in brackets. Batches
follow one another, so that Redis sleeps and wakes up for each, and small batches cost more here than on a busy
server.
"""


def run(harness, form):
    redis = harness.redis()

    def costs(batch, tickets):
        redis.flush()
        sizes = ["--store", redis.url, "--batch", batch, "--tickets", tickets]
        done = harness.run("inrush-bench", "store-cost", *sizes, "--waiting", form.waiting)
        before = redis.cpu()
        harness.run("inrush-bench", "floor", *sizes, "--batches-in-flight", 1)
        return {"floor": (redis.cpu() - before) * 1e6 / tickets, **json.loads(done.output)}

    measurements = {
        str(batch): lambda batch=batch, tickets=tickets: costs(batch, tickets)
        for batch, tickets in form.tickets.items()
    }
    results = interleaved(form.rounds, measurements, harness.log)
    rows = [[name] + [span(each[key]) for each in results.values()] for key, name in OPERATIONS.items()]
    waiting = [number(each["bytes"].median) for each in results.values()]
    batches = list(results)
    under_bars = [key.replace("_", "\n") for key in OPERATIONS]
    series = [
        Series.of(f"batches of {batch}", under_bars, [results[batch][key] for key in OPERATIONS])
        for batch in batches[1:]
    ]
    return Report(
        text=TEXT.format(waiting=form.waiting, rounds=form.rounds),
        tables=[
            Table(("µs for each ticket", *(f"batches of {batch}" for batch in batches)), rows),
            Table(("", *(f"batches of {batch}" for batch in batches)), [["bytes for each waiting ticket", *waiting]]),
        ],
        plots=[Plot("scripts", "Redis for each ticket", "operation", "µs", series, kind="bar")],
        data=as_data(results),
    )
