"""The budgets of the design and the measured values."""

import json
from dataclasses import dataclass

from .. import load, workloads, tools
from ..measure import Spread, interleaved, ratio
from ..errors import BenchError
from ..report import Report
from ..tables import Table, number, span

TITLE = "The budgets"
EXECUTABLES = ("inrush", "inrush-loadtest", "inrush-bench")
FORMS = {
    "full": {
        "rounds": 5,
        "store_rounds": 3,
        "calls": 400_000,
        "tickets": 1_000_000,
        "ordered": 400_000,
        "short_line": 10_000,
        "long_line": 10_000_000,
        "compare": (),
    },
    "quick": {
        "rounds": 1,
        "store_rounds": 1,
        "calls": 100_000,
        "tickets": 200_000,
        "ordered": 100_000,
        "short_line": 10_000,
        "long_line": 1_000_000,
        "compare": ("--quick",),
    },
}

TEXT = """
The budgets of the design and the measured values: medians of interleaved rounds, with the range of the rounds in
brackets. Rates and processor time of calls are of {calls:,} calls a round, {in_flight} in flight on {connections}
connections, sent by `inrush-loadtest`. The front runs with its defaults: signed tickets, exact positions, telemetry.
Ratios compare values of the same round. A shared machine is not always equally fast. For budgets in time, *at the
pace of then* is the measured value scaled to a machine on which the baseline costs what it cost when the budget was
set.
"""

# What the baselines cost when the budgets were set, in microseconds.
EMPTY_CALL_THEN = 9.7
H2LOAD_THEN = 2.8
# Batches in flight to Redis: one for each core of fronts. In a rush Redis always has a next one; a single batch also pays
# for Redis going to sleep and waking up, which the table shows as well.
BATCHES_AT_ONCE = 8
# A front that refuses reads the sale every 100 ms, which is not a command per refusal.
NO_COMMAND = 0.001


@dataclass(frozen=True)
class Pace:
    """How fast the machine is: what a baseline costs in this run, and what it cost when the budgets were set."""

    now: float
    then: float

    def slower(self):
        return self.now / self.then


@dataclass(frozen=True)
class Row:
    """One budget: what is bounded, beside what, by how much, and what was found."""

    what: str
    found: Spread
    budget: float
    # Whether more is better.
    at_least: bool
    beside: str = ""
    # For budgets in time: ratios and bytes do not depend on the machine.
    pace: Pace | None = None

    def met(self, found):
        return found >= self.budget if self.at_least else found <= self.budget

    def scaled(self):
        """What would have been found on the machine for which the budget was set, by the pace of the baseline."""
        if self.pace is None:
            return None
        slower = self.pace.slower()
        return self.found.median * slower if self.at_least else self.found.median / slower

    def cells(self):
        bound = f"{'≥' if self.at_least else '≤'} {number(self.budget)}"
        verdict = _verdict(self.met(self.found.median))
        scaled = self.scaled()
        at_pace = "–" if scaled is None else f"{number(scaled)}: {_verdict(self.met(scaled))}"
        return [self.what, span(self.found), bound, verdict, at_pace, self.beside]

    def as_data(self):
        bound = "at least" if self.at_least else "at most"
        met = self.met(self.found.median)
        found = self.found.as_data()
        return {"what": self.what, bound: self.budget, "met": met, "scaled": self.scaled(), "found": found}


def _verdict(met):
    return "met" if met else "**missed**"


def run(harness, form):
    parts = [_calls, _store, _polls, _fulfilment, _load_tool, _rush]
    rows, data = [], {}
    for part in parts:
        # Each part has the machine for itself: servers of the one before are gone.
        with harness.scope() as own:
            results, its_rows = part(own, form)
            data[part.__name__.strip("_")] = workloads.as_data(results)
            rows += its_rows
    columns = ("what", "found", "budget", "", "at the pace of then", "beside, in this run")
    return Report(
        text=TEXT.format(calls=form.calls, in_flight=load.IN_FLIGHT, connections=load.CONNECTIONS),
        tables=[Table(columns, [row.cells() for row in rows])],
        data={"rows": [row.as_data() for row in rows], "measured": data},
        notes="What misses its budget, where its time goes and what was tried: [profiles](../../bench/profiles.md).",
    )


def _calls(harness, form):
    measurements = {
        "empty": workloads.empty(harness, form.calls),
        "enqueue": workloads.enqueue(harness, form.calls),
        "refused": workloads.refused(harness, form.calls),
    }
    results = interleaved(form.rounds, measurements, harness.log)
    empty, enqueue, refused = (results[name] for name in measurements)

    def beside(metrics):
        costs = f"{number(metrics['server_us'].median)} µs beside {number(empty['server_us'].median)} µs of server"
        return f"{number(metrics['rate'].median)}/s beside {number(empty['rate'].median)}/s; {costs}"

    within = f"{number(refused['commands_in_scripts'].median)} more within scripts"
    rate = "rate against an empty call on stock multi-thread tonic"
    return results, [
        Row(f"Enqueue through Redis: {rate}", ratio(enqueue["rate"], empty["rate"]), 1.0, True, beside(enqueue)),
        Row(f"refusal once sold out: {rate}", ratio(refused["rate"], empty["rate"]), 1.2, True, beside(refused)),
        Row("Redis commands for each refusal", refused["redis_commands"], NO_COMMAND, False, within),
    ]


def _store(harness, form):
    bounds = {256: 2.2, 16: 3.2}
    measurements = {}
    for batch in bounds:
        for name, at_once in (("", BATCHES_AT_ONCE), (" alone", 1)):
            measurements[f"admit {batch}{name}"] = workloads.admit(harness, form.tickets, batch, at_once)
        measurements[f"floor {batch}"] = workloads.floor(harness, form.tickets, batch, BATCHES_AT_ONCE)
    measurements["empty"] = workloads.empty(harness, form.calls // 2)
    results = interleaved(form.store_rounds, measurements, harness.log)
    pace = Pace(results["empty"]["server_us"].median, EMPTY_CALL_THEN)
    rows = []
    for batch, bound in bounds.items():
        floor, alone = (results[name]["redis_us"].median for name in (f"floor {batch}", f"admit {batch} alone"))
        beside = f"{number(alone)} µs for one batch at a time; {number(floor)} µs for a script that only reads its arguments"
        found = results[f"admit {batch}"]["redis_us"]
        what = f"Redis per Enqueue, {BATCHES_AT_ONCE} batches of {batch} in flight, µs"
        rows.append(Row(what, found, bound, False, f"{beside}; {_empty(pace)}", pace))
    rows.append(Row("bytes per waiting ticket", results["admit 256"]["bytes"], 48, False, f"{form.tickets:,} waiting"))
    return results, rows


def _polls(harness, form):
    lines = {"short": form.short_line, "long": form.long_line}
    measurements = {name: workloads.poll(harness, form.calls, waiting) for name, waiting in lines.items()}
    results = interleaved(form.rounds, measurements, harness.log)
    costs = {
        name: Spread(tuple(a + b for a, b in zip(each["server_us"].values, each["redis_us"].values, strict=True)))
        for name, each in results.items()
    }
    shown = " and ".join(number(costs[name].low) for name in lines)
    rounds = span(ratio(costs["long"], costs["short"]))
    beside = f"{shown} µs of front and Redis, the lowest of {form.rounds} rounds; round by round {rounds}"
    what = f"PollStatus with {form.long_line:,} waiting against {form.short_line:,}"
    # Two metrics so close are compared by their lowest: what else happens on a machine can only add.
    found = Spread((costs["long"].low / costs["short"].low,))
    return results, [Row(what, found, 1.1, False, beside)]


def _fulfilment(harness, form):
    measurements = {
        "fulfil": workloads.fulfil(harness, form.ordered),
        "empty": workloads.empty(harness, form.calls // 2),
    }
    results = interleaved(form.rounds, measurements, harness.log)
    metrics = results["fulfil"]
    pace = Pace(results["empty"]["server_us"].median, EMPTY_CALL_THEN)
    beside = f"{number(metrics['server_us'].median)} µs of fulfilment and order system"
    return results, [
        Row("claim → stream → settle, tickets/s", metrics["rate"], 50_000, True, beside, pace),
        Row("Redis per claim and settle, µs", metrics["redis_us"], 5, False, _empty(pace), pace),
    ]


def _empty(pace):
    return f"{number(pace.now)} µs for an empty call, then {pace.then} µs"


def _load_tool(harness, form):
    echo = harness.echo()
    # As few connections as keep all cores busy, which is where h2load costs least.
    options = {"in_flight": 200, "connections": 2}
    measurements = {"inrush-loadtest": lambda: harness.call(echo, load.EMPTY, form.calls, **options).metrics()}
    try:
        tools.h2load()
        measurements["h2load"] = lambda: harness.h2load(echo, load.EMPTY, form.calls, **options).metrics()
    except BenchError as error:
        harness.log(f"no h2load beside the load tool: {error}")
    results = interleaved(form.rounds, measurements, harness.log)
    ours, peer, pace = results["inrush-loadtest"], "h2load is not installed", None
    if "h2load" in results:
        theirs = results["h2load"]
        pace = Pace(theirs["load_us"].median, H2LOAD_THEN)
        peer = f"h2load: {number(theirs['rate'].median)}/s at {number(pace.now)} µs; then {pace.then} µs"
    return results, [
        Row("load tool, unary calls/s", ours["rate"], 100_000, True, peer, pace),
        Row("load tool, processor time per call, µs", ours["load_us"], 4, False, peer, pace),
    ]


def _rush(harness, form):
    path = harness.folder / "compare.json"
    harness.run("inrush-loadtest", "compare", "--inrush", harness.executable("inrush"), "--json", path, *form.compare)
    sides = json.loads(path.read_text(encoding="utf-8"))
    goodput = {name: Spread((sides[name]["goodputOfCapacity"],)) for name in ("straight", "through")}
    beside = f"{number(goodput['straight'].median)} when it is called directly"
    what = "order system's goodput of its capacity, 10 times of which is offered"
    return {"goodput": goodput}, [Row(what, goodput["through"], 0.95, True, beside)]
