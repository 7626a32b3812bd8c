"""Malformed streams for the RTL and for every decoder."""
