"""Benchmarks: each is a program that measures both sides of a ratio in one run and fails where their results disagree.

Results and how to run them are in `benchmarks/README.md`; tests of behaviour belong to `tests`.
"""
