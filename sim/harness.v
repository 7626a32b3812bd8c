// Stream harness: feeds a file of words into `mixvec` and records every word that comes out.
//
// One word is W bits. Input words are big-endian, as $fread reads them; output words are written
// as little-endian 32-bit pieces, least significant first, as "%u" writes them.
//
// Plusargs:  +input=FILE +words=N +output=FILE
//            +expect=N    output words to wait for before counting quiet cycles (0)
//            +quiet=N     cycles without an output word that end the run (2000)
//            +limit=N     cycles after which the run is given up (0: never)
//            +stall_i=P +stall_o=P   chance in 1/256 that a side pauses in a cycle (0)
//            +lazy=1      o__ready is 0 until o__valid was 1 in the cycle before, and again behind every word,
//                         as streams allow a sink (0)
//            +seed=N      of the stalls (0)
//            +reset_at=N  cycle, from 1 on, of another reset, one cycle long (0: none); what came out before
//                         is dropped, and all numbers count from there
//            +resume=N    first word to be offered behind that reset (0)
// Without all that a word is offered in every cycle from the first to the last, and `o__ready` is always 1.

`timescale 1ns / 1ns

module harness;
  parameter W = 64;

  // Public for cocotb; everything else stays free to be optimized away.
  reg done /*verilator public_flat_rd*/;
  reg timed_out /*verilator public_flat_rd*/;
  reg short_input /*verilator public_flat_rd*/;
  reg unknown_output /*verilator public_flat_rd*/;
  reg [63:0] cycles /*verilator public_flat_rd*/;
  reg [63:0] first_in /*verilator public_flat_rd*/;
  reg [63:0] first_out /*verilator public_flat_rd*/;
  reg [63:0] last_out /*verilator public_flat_rd*/;
  // The cycles in which words moved, folded: the same for two runs whose words moved in the same cycles.
  reg [63:0] times_in /*verilator public_flat_rd*/;
  reg [63:0] times_out /*verilator public_flat_rd*/;
  reg [63:0] words_in /*verilator public_flat_rd*/;
  reg [63:0] words_out /*verilator public_flat_rd*/;

  reg clk;
  reg rst;
  reg [W-1:0] i__payload;
  reg i__valid;
  wire i__ready;
  wire [W-1:0] o__payload;
  wire o__valid;
  reg o__ready;

  mixvec dut (
      .clk(clk),
      .rst(rst),
      .i__payload(i__payload),
      .i__valid(i__valid),
      .i__ready(i__ready),
      .o__payload(o__payload),
      .o__valid(o__valid),
      .o__ready(o__ready)
  );

  reg [8*256-1:0] input_name;
  reg [8*256-1:0] output_name;
  reg [63:0] words;
  reg [63:0] expect_words;
  reg [63:0] quiet_limit;
  reg [63:0] limit;
  reg [8:0] stall_i;
  reg [8:0] stall_o;
  reg lazy;
  reg [31:0] seed;
  reg [63:0] reset_at;
  reg [63:0] resume_at;
  integer input_file;
  integer output_file;

  initial begin
    if (!$value$plusargs("input=%s", input_name)) input_name = "input.bin";
    if (!$value$plusargs("output=%s", output_name)) output_name = "output.bin";
    if (!$value$plusargs("words=%d", words)) words = 0;
    if (!$value$plusargs("expect=%d", expect_words)) expect_words = 0;
    if (!$value$plusargs("quiet=%d", quiet_limit)) quiet_limit = 2000;
    if (!$value$plusargs("limit=%d", limit)) limit = 0;
    if (!$value$plusargs("stall_i=%d", stall_i)) stall_i = 0;
    if (!$value$plusargs("stall_o=%d", stall_o)) stall_o = 0;
    if (!$value$plusargs("lazy=%d", lazy)) lazy = 0;
    if (!$value$plusargs("seed=%d", seed)) seed = 0;
    if (!$value$plusargs("reset_at=%d", reset_at)) reset_at = 0;
    if (!$value$plusargs("resume=%d", resume_at)) resume_at = 0;
  end

  initial clk = 1'b0;
  always #5 clk = !clk;

  reg [1:0] reset_cycles;
  initial reset_cycles = 2'd0;
  initial rst = 1'b1;

  reg [63:0] offered;
  reg [63:0] quiet;
  reg [31:0] random_i;
  reg [31:0] random_o;
  reg [W-1:0] word;
  integer bytes_read;
  integer seek_status;
  // A further reset is still to come; it has been.
  reg interrupts;
  reg interrupted;

  initial begin
    done = 1'b0;
    timed_out = 1'b0;
    short_input = 1'b0;
    unknown_output = 1'b0;
    cycles = 0;
    first_in = 0;
    first_out = 0;
    last_out = 0;
    times_in = 0;
    times_out = 0;
    words_in = 0;
    words_out = 0;
    i__payload = {W{1'b0}};
    i__valid = 1'b0;
    o__ready = 1'b0;
    offered = 0;
    quiet = 0;
    word = {W{1'b0}};
    bytes_read = 0;
    seek_status = 0;
    interrupts = reset_at != 0;
    interrupted = 1'b0;
    random_i = 32'd0;
    random_o = 32'd0;
  end

  // Marsaglia's 32-bit xorshift: the same stalls on every simulator.
  function [31:0] xorshift;
    input [31:0] state;
    reg [31:0] x;
    begin
      x = state;
      x = x ^ (x << 13);
      x = x ^ (x >> 17);
      xorshift = x ^ (x << 5);
    end
  endfunction

  wire accepted = i__valid && i__ready;
  wire received = o__valid && o__ready;
  wire exhausted = words_in + (interrupted ? resume_at : 64'd0) == words;
  // What is offered until a reset is still to come.
  wire [63:0] last_word = interrupts ? resume_at : words;
  wire finished = !interrupts && exhausted && words_out >= expect_words && quiet >= quiet_limit;
  wire exceeded = limit != 0 && cycles >= limit;

  always @(posedge clk) begin
    if (rst) begin
      reset_cycles <= reset_cycles + 2'd1;
      rst <= reset_cycles != 2'd3;
      // Not at time 0: a process forked there has files of its own.
      if (reset_cycles == 2'd3 && !interrupted) begin
        /* verilator lint_off BLKSEQ */
        input_file = $fopen(input_name, "rb");
        output_file = $fopen(output_name, "wb");
        /* verilator lint_on BLKSEQ */
      end
      // Zero is xorshift's fixed point.
      random_i <= (seed ^ 32'h9e3779b9) | 32'd1;
      random_o <= {seed[15:0], seed[31:16]} ^ 32'h7f4a7c16 | 32'd1;
    end else if (interrupts && cycles + 1 == reset_at) begin
      interrupts <= 1'b0;
      interrupted <= 1'b1;
      rst <= 1'b1;
      reset_cycles <= 2'd3;
      cycles <= 0;
      times_in <= 0;
      times_out <= 0;
      words_in <= 0;
      words_out <= 0;
      quiet <= 0;
      i__valid <= 1'b0;
      o__ready <= 1'b0;
      offered <= resume_at;
      /* verilator lint_off BLKSEQ */
      seek_status = $fseek(input_file, resume_at[31:0] * (W / 8), 0);
      /* verilator lint_on BLKSEQ */
    end else if (!done) begin
      cycles <= cycles + 1;
      random_i <= xorshift(random_i);
      random_o <= xorshift(random_o);

      if (!i__valid || i__ready) begin
        if (offered != last_word && {1'b0, random_i[15:8]} >= stall_i) begin
          // $fread assigns at once; the word is read again in this very cycle.
          /* verilator lint_off BLKSEQ */
          bytes_read = $fread(word, input_file);
          /* verilator lint_on BLKSEQ */
          if (bytes_read != W / 8) short_input <= 1'b1;
          i__payload <= word;
          i__valid <= 1'b1;
          offered <= offered + 1;
        end else begin
          i__valid <= 1'b0;
        end
      end
      if (accepted) begin
        if (words_in == 0) first_in <= cycles;
        words_in <= words_in + 1;
        times_in <= {times_in[62:0], times_in[63]} ^ cycles;
      end

      o__ready <= {1'b0, random_o[15:8]} >= stall_o && (!lazy || (o__valid && !received));
      if (received) begin
        if (!interrupts) $fwrite(output_file, "%u", o__payload);
        if (^o__payload === 1'bx) unknown_output <= 1'b1;
        words_out <= words_out + 1;
        if (words_out == 0) first_out <= cycles;
        last_out <= cycles;
        times_out <= {times_out[62:0], times_out[63]} ^ cycles;
      end
      if (received || !exhausted || words_out < expect_words) quiet <= 0;
      else quiet <= quiet + 1;

      if (finished || exceeded || short_input) begin
        // An answer in the very cycle of the limit still counts: `finished` wins.
        timed_out <= !finished;
        done <= 1'b1;
        $fclose(output_file);
        $fclose(input_file);
      end
    end
  end
endmodule
