"""Cycle model, reports and the `mixvec` command."""
