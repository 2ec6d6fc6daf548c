"""Compares the ratios that `make bench-quick` measures with the committed ones."""

import json
from dataclasses import dataclass

from .paths import RESULTS
from .errors import BenchError
from .tables import Table, number

COMMITTED = RESULTS / "baseline.json"


@dataclass(frozen=True)
class Watched:
    """A cost relative to another cost of the same round. Lower is better.

    `tolerance` is the share by which it may exceed the committed ratio.
    """

    name: str
    what: str
    tolerance: float


@dataclass(frozen=True)
class Comparison:
    """One ratio and its committed value."""

    watched: Watched
    now: float
    then: float

    @property
    def change(self):
        return self.now / self.then - 1

    @property
    def worse(self):
        return self.change > self.watched.tolerance

    @property
    def better(self):
        return self.change < -self.watched.tolerance

    @property
    def word(self):
        return "WORSE" if self.worse else "better" if self.better else "same"


def compare(watched, now, then):
    """A Comparison for each; `now` and `then` are ratios by name."""
    unknown = [each.name for each in watched if each.name not in then]
    if unknown:
        raise BenchError(f"{COMMITTED} has no {', '.join(unknown)}: accept new ones with `tools/bench --check --accept`")
    return [Comparison(each, now[each.name], then[each.name]) for each in watched]


def table(comparisons):
    """The comparisons as a table."""
    rows = [
        [
            comparison.watched.what,
            number(comparison.now),
            number(comparison.then),
            f"{comparison.change:+.1%}",
            f"+{comparison.watched.tolerance:.0%}",
            comparison.word,
        ]
        for comparison in comparisons
    ]
    return Table(("ratio", "now", "committed", "change", "tolerated", ""), rows)


def read(path=COMMITTED):
    """The committed ratios by name."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))["ratios"]
    except FileNotFoundError as error:
        raise BenchError(f"{path} is missing: make it with `tools/bench --check --accept`") from error
    except (ValueError, KeyError, TypeError) as error:
        raise BenchError(f"{path} cannot be read: {error!r}") from error


def write(ratios, machine, path=COMMITTED):
    """Makes these ratios the committed ones."""
    data = {"machine": machine, "ratios": {name: round(ratio, 4) for name, ratio in ratios.items()}}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
