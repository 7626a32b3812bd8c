// Reset sweep: interrupts a job by a reset of one cycle, runs another one, and so on at every moment asked for.
//
// The input file holds the words of the interrupted job, then those of the job that must be exact. Words
// are as in the stream harness. Of every job behind a reset its answer is written, and to the file of
// times: words out, words in, the cycles in which they moved, folded, and the cycles it took.
//
// Plusargs:  +input=FILE +output=FILE +times=FILE
//            +before=N   words of the interrupted job
//            +words=N    words of both
//            +expect=N   words of the answer
//            +first=N +step=N +resets=N   moments: cycles from a reset to the next one
//            +quiet=N    cycles after the answer in which no further word may come
//            +limit=N    cycles after which a job is given up

`timescale 1ns / 1ns

module reset_sweep;
  parameter W = 64;

  reg done /*verilator public_flat_rd*/;
  reg unknown_output /*verilator public_flat_rd*/;

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
  reg [8*256-1:0] times_name;
  integer old_words, words, expect_words, first, step, resets, quiet_limit, limit;
  integer input_file, output_file, times_file;

  initial begin
    if (!$value$plusargs("input=%s", input_name)) input_name = "input.bin";
    if (!$value$plusargs("output=%s", output_name)) output_name = "output.bin";
    if (!$value$plusargs("times=%s", times_name)) times_name = "times.bin";
    if (!$value$plusargs("before=%d", old_words)) old_words = 0;
    if (!$value$plusargs("words=%d", words)) words = 0;
    if (!$value$plusargs("expect=%d", expect_words)) expect_words = 0;
    if (!$value$plusargs("first=%d", first)) first = 0;
    if (!$value$plusargs("step=%d", step)) step = 1;
    if (!$value$plusargs("resets=%d", resets)) resets = 1;
    if (!$value$plusargs("quiet=%d", quiet_limit)) quiet_limit = 100;
    if (!$value$plusargs("limit=%d", limit)) limit = 100000;
    input_file = $fopen(input_name, "rb");
    output_file = $fopen(output_name, "wb");
    times_file = $fopen(times_name, "wb");
    moment = first;
    last_word = old_words;
  end

  initial clk = 1'b0;
  always #5 clk = !clk;

  // The job behind a reset, or the one before it.
  reg exact;
  integer moment, last_word, count, offered, bytes_read, seek_status;
  reg [63:0] cycles;
  reg [63:0] words_in;
  reg [63:0] words_out;
  reg [63:0] times_in;
  reg [63:0] times_out;
  reg [63:0] quiet;
  reg [W-1:0] word;

  initial begin
    done = 1'b0;
    unknown_output = 1'b0;
    rst = 1'b1;
    exact = 1'b0;
    i__payload = {W{1'b0}};
    i__valid = 1'b0;
    o__ready = 1'b0;
    count = 0;
    offered = 0;
    cycles = 0;
    words_in = 0;
    words_out = 0;
    times_in = 0;
    times_out = 0;
    quiet = 0;
    word = {W{1'b0}};
  end

  wire answered = exact && (words_out >= {32'd0, expect_words} && quiet >= {32'd0, quiet_limit}
                            || cycles >= {32'd0, limit});
  wire interrupt = !exact && cycles >= {32'd0, moment};

  always @(posedge clk) begin
    if (rst) begin
      rst <= 1'b0;
      cycles <= 0;
      words_in <= 0;
      words_out <= 0;
      times_in <= 0;
      times_out <= 0;
      quiet <= 0;
    end else if (!done) begin
      cycles <= cycles + 1;
      o__ready <= 1'b1;
      if (!i__valid || i__ready) begin
        if (offered != last_word) begin
          // $fread assigns at once; the word is read again in this very cycle.
          /* verilator lint_off BLKSEQ */
          bytes_read = $fread(word, input_file);
          /* verilator lint_on BLKSEQ */
          i__payload <= word;
          i__valid <= 1'b1;
          offered <= offered + 1;
        end else begin
          i__valid <= 1'b0;
        end
      end
      if (i__valid && i__ready) begin
        words_in <= words_in + 1;
        times_in <= {times_in[62:0], times_in[63]} ^ cycles;
      end
      if (o__valid && o__ready) begin
        if (exact) begin
          $fwrite(output_file, "%u", o__payload);
          if (^o__payload === 1'bx) unknown_output <= 1'b1;
        end
        words_out <= words_out + 1;
        times_out <= {times_out[62:0], times_out[63]} ^ cycles;
        quiet <= 0;
      end else begin
        quiet <= quiet + 1;
      end
      if (interrupt || answered) begin
        rst <= 1'b1;
        i__valid <= 1'b0;
        o__ready <= 1'b0;
        exact <= !exact;
        /* verilator lint_off BLKSEQ */
        seek_status = $fseek(input_file, exact ? 0 : old_words * (W / 8), 0);
        /* verilator lint_on BLKSEQ */
        offered <= exact ? 0 : old_words;
        last_word <= exact ? old_words : words;
      end
      if (answered) begin
        $fwrite(times_file, "%u%u%u%u%u", words_out, words_in, times_in, times_out, cycles);
        moment <= moment + step;
        count <= count + 1;
        if (count + 1 == resets) begin
          done <= 1'b1;
          $fclose(output_file);
          $fclose(times_file);
        end
      end
    end
  end
endmodule
