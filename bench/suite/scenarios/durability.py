"""The cost of durability: Enqueue with a synced file, and with a replica that confirms."""

from .. import load
from ..measure import interleaved, ratio
from ..errors import BenchError
from ..report import Report
from ..workloads import SALE, as_data
from ..tables import Table, span

TITLE = "Durability"
EXECUTABLES = ("inrush", "inrush-loadtest")
FORMS = {"full": {"rounds": 5, "calls": 200_000}, "quick": {"rounds": 1, "calls": 30_000}}

# The durability of the sale, and the options of Redis.
LEVELS = {
    "memory": ("memory", ()),
    "everysec": ("memory", ("--appendonly", "yes", "--appendfsync", "everysec")),
    "fsync": ("fsync", ("--appendonly", "yes", "--appendfsync", "always")),
    "replica": ("memory", ()),
    "replicated": ("replicated", ()),
    "replica and fsync": ("fsync", ("--appendonly", "yes", "--appendfsync", "always")),
}
NAMES = {
    "memory": "memory",
    "everysec": "memory, AOF synced every second",
    "fsync": "fsync: AOF `always`",
    "replica": "memory, one replica",
    "replicated": "replicated: one replica and `WAIT`",
    "replica and fsync": "fsync, one replica",
}

TEXT = """
{calls:,} Enqueues a round, {in_flight} in flight, through a front with default settings into one Redis; medians of
{rounds} interleaved rounds, with the range of the rounds in brackets. The level is that of the sale. With `fsync` a
reply confirms that the ticket is on disk: Redis writes and syncs before it replies, once for all scripts of one turn
of its event loop. With `replicated` a reply confirms that the replica has the ticket: one `WAIT` follows each batch
on its own connection. The replica shares this machine with everything else.
"""


def run(harness, form):
    measurements = {name: _enqueue(harness, form.calls, name) for name in LEVELS}
    results = interleaved(form.rounds, measurements, harness.log)
    memory = results["memory"]
    rows = [
        [NAMES[name], span(each["rate"]), span(ratio(each["rate"], memory["rate"]))]
        + [span(each[key]) for key in ("p50_ms", "p99_ms", "redis_us")]
        for name, each in results.items()
    ]
    columns = ("level", "calls/s", "against memory", "p50, ms", "p99, ms", "Redis, µs a call")
    return Report(
        text=TEXT.format(calls=form.calls, in_flight=load.IN_FLIGHT, rounds=form.rounds),
        tables=[Table(columns, rows)],
        data=as_data(results),
    )


def _enqueue(harness, calls, name):
    level, options = LEVELS[name]
    redis = harness.redis(*options)
    if name.startswith("replica"):
        replica = harness.redis("--replicaof", "127.0.0.1", redis.port)
        replica.process.wait_for("master", lambda: replica.info("replication").get("master_link_status") == "up")
    front = harness.front(redis)
    buyers = harness.enqueues(SALE, calls)

    def measure():
        redis.flush()
        harness.create_sale(front, SALE, calls, "--durability", level)
        run = harness.call(front, load.ENQUEUE, calls, messages=buyers, watch={"redis": redis})
        if (kept := harness.sale(front, "show", SALE)["ledger"]["admitted"]["tickets"]) != calls:
            raise BenchError(f"{kept} of {calls} buyers were admitted")
        return {**run.metrics(), "p50_ms": run.quantile_ms("p50"), "p99_ms": run.quantile_ms("p99")}

    return measure
