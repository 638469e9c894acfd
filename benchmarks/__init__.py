"""What reading and auditing images costs, measured beside what cannot be had cheaper: `python -m benchmarks --help`."""
