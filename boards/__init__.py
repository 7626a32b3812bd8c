"""Top levels for FPGA boards, the byte link to them and its host driver."""
