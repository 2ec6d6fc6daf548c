"""Rounds, medians and ratios."""

import statistics
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """One figure of several rounds."""

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


def interleaved(rounds, measurements, tell=lambda _: None):
    """Makes each measurement once a round, so that what changes on the machine meanwhile meets all of them alike.

    `measurements` are functions by name, and each returns figures by name (a dictionary of numbers). The result has the
    Spread of each figure: `result[measurement][figure]`.
    """
    taken = {name: [] for name in measurements}
    for number in range(rounds):
        for name, measure in measurements.items():
            figures = measure()
            taken[name].append(figures)
            shown = ", ".join(f"{key} {value:,.4g}" for key, value in figures.items())
            tell(f"round {number + 1} of {rounds}: {name}: {shown}")
    return {
        name: {key: Spread(tuple(each[key] for each in done)) for key in done[0]} for name, done in taken.items()
    }


def ratio(over, under):
    """The Spread of the quotients of two figures, round by round: what both rounds had in common falls out."""
    return Spread(tuple(a / b for a, b in zip(over.values, under.values, strict=True)))
