"""Rounds, medians and ratios."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The values of one metric over several rounds."""

    values: tuple

    @property
    def median(self):
        return statistics.median(self.values)

    @property
    def low(self):
        return min(self.values)

    @property
    def high(self):
        return max(self.values)

    def as_data(self):
        """For JSON."""
        return {"median": self.median, "min": self.low, "max": self.high, "rounds": list(self.values)}


def interleaved(rounds, measurements, log=lambda _: None):
    """Runs each measurement once per round, so that other load on the machine affects all of them alike.

    `measurements` are functions by name; each returns metrics by name (a dictionary of numbers). The result has the
    Spread of each metric: `results[measurement][metric]`.
    """
    results = {name: [] for name in measurements}
    for number in range(rounds):
        for name, measure in measurements.items():
            metrics = measure()
            results[name].append(metrics)
            shown = ", ".join(f"{key} {value:,.4g}" for key, value in metrics.items())
            log(f"round {number + 1} of {rounds}: {name}: {shown}")
    return {
        name: {key: Spread(tuple(each[key] for each in done)) for key in done[0]} for name, done in results.items()
    }


def ratio(over, under):
    """The Spread of the quotients of two metrics, round by round: what affected both alike cancels out."""
    return Spread(tuple(a / b for a, b in zip(over.values, under.values, strict=True)))
