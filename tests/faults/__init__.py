"""Faults in the middle of a run, made for real: each is named or mended, costs no more tests than it must, and leaves nothing."""
