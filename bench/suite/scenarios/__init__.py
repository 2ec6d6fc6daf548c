"""The scenarios, one a module. See bench/README.md for how one is written."""
