"""Simulation: the simulators, the stream harness and the testbenches."""
