"""The error that ends a run with one line on standard error."""


class BenchError(Exception):
    """What is wrong, and what to do about it."""
