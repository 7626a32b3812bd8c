"""The accelerator in Amaranth: decompressor, zero-skip controller, scheduler, PE array, Verilog emission."""
