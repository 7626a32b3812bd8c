"""How much of the accelerator the random jobs reach: its Verilog, and the situations that jobs can be in."""
