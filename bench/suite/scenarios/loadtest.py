"""The load tool beside h2load and k6, against stock tonic."""

import os
import re
import tempfile

from .. import load, processes, tools
from ..measure import interleaved, ratio
from ..problem import Problem
from ..report import Report
from ..tables import Table, number, span

TITLE = "The load tool beside its peers"
EXECUTABLES = ("inrush-loadtest", "inrush-bench")
FORMS = {
    "full": {"rounds": 5, "calls": 400_000, "memory_calls": (500_000, 5_000_000)},
    "quick": {"rounds": 1, "calls": 100_000, "memory_calls": ()},
}
# As few connections as keep all cores busy, which is where h2load costs least.
HOW = {"in_flight": 200, "connections": os.cpu_count()}
# k6 makes a seventh of the calls in the same time.
K6_SHARE = 10
K6_SCRIPT = """
import grpc from 'k6/net/grpc';
const client = new grpc.Client();
export const options = {{ scenarios: {{ calls: {{
  executor: 'shared-iterations', vus: {in_flight}, iterations: {calls}, maxDuration: '10m' }} }} }};
export default () => {{
  if (__ITER == 0) client.connect('{address}', {{ plaintext: true, reflect: true }});
  client.invoke('{method}', {{}});
}};
"""


def run(rig, form):
    echo = rig.echo()
    peers = _peers(rig, echo, form)
    taken = interleaved(form.rounds, peers, rig.tell)
    memory = {calls: rig.call(echo, load.EMPTY, calls, **HOW).memory for calls in form.memory_calls}
    data = {name: {key: each.as_data() for key, each in figures.items()} for name, figures in taken.items()}
    return Report(
        text=(
            f"Unary calls without content (`{load.EMPTY}`) to stock tonic on its multi-threaded runtime;"
            f" {HOW['in_flight']} calls in flight on {HOW['connections']} connections (k6: one for each of its"
            f" {HOW['in_flight']} users); medians of {form.rounds} interleaved rounds, and from where to where they"
            " went."
        ),
        tables=_tables(taken, memory),
        data={"tools": data, "memory": memory},
    )


def _peers(rig, echo, form):
    peers = {"inrush-loadtest": lambda: _figures(rig.call(echo, load.EMPTY, form.calls, **HOW))}
    few = max(form.calls // K6_SHARE, 1)
    others = {
        "h2load": (tools.h2load, lambda: _figures(rig.h2load(echo, load.EMPTY, form.calls, **HOW))),
        "k6": (tools.k6, lambda: _k6(echo.address, few)),
    }
    for name, (available, measure) in others.items():
        try:
            available()
            peers[name] = measure
        except Problem as problem:
            rig.tell(f"{name} is left out: {problem}")
    return peers


def _figures(calls):
    return {"rate": calls.rate, "load_us": calls.load_us, "memory": calls.memory}


def _k6(address, calls):
    with tempfile.NamedTemporaryFile("w", suffix=".js") as script:
        script.write(K6_SCRIPT.format(in_flight=HOW["in_flight"], calls=calls, address=address, method=load.EMPTY))
        script.flush()
        command = [tools.k6(), "run", "--quiet", "--no-usage-report", script.name]
        ran = processes.run(command, load.ENDS_WITHIN)
    rate = float(re.search(r"iterations\.*:\s*\d+\s+([\d.]+)/s", ran.output)[1])
    return {"rate": rate, "load_us": ran.cpu * 1e6 / calls, "memory": ran.peak_memory}


def _tables(taken, memory):
    rows = []
    for name, figures in taken.items():
        against = ratio(figures["load_us"], taken["h2load"]["load_us"]).median if "h2load" in taken else None
        peak = f"{figures['memory'].median / 1e6:.0f} MB"
        rows.append([name, number(figures["rate"].median), span(figures["load_us"]), number(against), peak])
    columns = ("tool", "calls/s", "processor time per call, µs", "against h2load", "peak memory")
    tables = [Table(columns, rows)]
    if memory:
        rows = [[f"{calls:,}", f"{peak / 1e6:.1f} MB"] for calls, peak in memory.items()]
        tables.append(Table(("calls", "peak memory of inrush-loadtest"), rows))
    return tables
