"""Tests of what needs no server: `python3 -m unittest` from the folder bench."""
