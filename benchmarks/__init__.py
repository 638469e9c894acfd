"""Measurements that anyone can run, each beside what it is held against, in turns: `python -m benchmarks --help`."""
