"""What ends a run with one line for whoever started it."""


class Problem(Exception):
    """Says what is wrong and what to do about it."""
