"""Fuzzing of what reads hostile input: `python -m tests.fuzz NAME --seconds N`.

A harness takes bytes and does with them what a run does with what a registry, an image or a build gives it. It may refuse
them with an error of ours, in words that a terminal shows as they are; everything else is a finding, and so is taking long.
"""
