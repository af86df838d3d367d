"""Benchmarks: each is a program that measures both sides of a ratio in one run and says when they disagree."""
