// The streams of `mixvec` under names that C++ can hold; `sim/resident.cpp` drives them.
//
// Reset stays low: registers power up as a reset leaves them, and without it the model is a tenth smaller.

module resident #(
    parameter W = 64
) (
    input clk,
    input [W-1:0] i_payload,
    input i_valid,
    output i_ready,
    output [W-1:0] o_payload,
    output o_valid,
    input o_ready
);
  mixvec dut (
      .clk(clk),
      .rst(1'b0),
      .i__payload(i_payload),
      .i__valid(i_valid),
      .i__ready(i_ready),
      .o__payload(o_payload),
      .o__valid(o_valid),
      .o__ready(o_ready)
  );
endmodule
