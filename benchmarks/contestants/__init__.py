"""Servers of the same model, each written as its framework's documentation recommends.

A module of this package is run as a process of its own; `benchmarks.roster` says how.
"""
