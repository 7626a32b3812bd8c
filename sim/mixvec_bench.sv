// Self-check of the accelerator, for any simulator of Verilog: sends the words of job.hex, one in every cycle,
// and compares what comes out with answers.hex. Both files lie where the simulation runs; their sizes, and the
// ports, are in mixvec_bench.vh.
//
// Packets of outputs may come in any order, each of them once. DONE comes behind them, its counters included.
// Any difference, a word too many, and silence end the simulation with an error.

`timescale 1ns / 1ns
`include "mixvec_bench.vh"

module mixvec_bench;
  localparam ANSWERS = `MIXVEC_PACKETS * `MIXVEC_PACKET_WORDS + `MIXVEC_DONE_WORDS;
  localparam OUTPUTS = `MIXVEC_PACKETS * `MIXVEC_PACKET_WORDS;
  // Cycles after the last word in which no other may come.
  localparam QUIET = 100;

  reg [`MIXVEC_WORD_BITS-1:0] job[0:`MIXVEC_JOB_WORDS-1];
  reg [`MIXVEC_WORD_BITS-1:0] answers[0:ANSWERS-1];
  reg [`MIXVEC_WORD_BITS-1:0] packet[0:`MIXVEC_PACKET_WORDS-1];
  reg [`MIXVEC_PACKETS-1:0] found;

  reg clk;
  reg rst;
  reg i_valid;
  wire i_ready;
  reg [`MIXVEC_WORD_BITS-1:0] i_word;
  wire o_valid;
  wire [`MIXVEC_WORD_BITS-1:0] o_word;

  integer sent;
  integer received;
  integer cycles;
  integer last;

`ifdef MIXVEC_AXI
  mixvec_axi dut (
      .aclk(clk),
      .aresetn(!rst),
      .s_axis_tdata(i_word),
      .s_axis_tkeep({`MIXVEC_WORD_BITS / 8{1'b1}}),
      .s_axis_tlast(1'b0),
      .s_axis_tvalid(i_valid),
      .s_axis_tready(i_ready),
      .m_axis_tdata(o_word),
      .m_axis_tkeep(),
      .m_axis_tlast(),
      .m_axis_tvalid(o_valid),
      .m_axis_tready(1'b1),
      .s_axil_awaddr(8'd0),
      .s_axil_awprot(3'd0),
      .s_axil_awvalid(1'b0),
      .s_axil_awready(),
      .s_axil_wdata(32'd0),
      .s_axil_wstrb(4'd0),
      .s_axil_wvalid(1'b0),
      .s_axil_wready(),
      .s_axil_bresp(),
      .s_axil_bvalid(),
      .s_axil_bready(1'b1),
      .s_axil_araddr(8'd0),
      .s_axil_arprot(3'd0),
      .s_axil_arvalid(1'b0),
      .s_axil_arready(),
      .s_axil_rdata(),
      .s_axil_rresp(),
      .s_axil_rvalid(),
      .s_axil_rready(1'b1)
  );
`else
  mixvec dut (
      .clk(clk),
      .rst(rst),
      .i__payload(i_word),
      .i__valid(i_valid),
      .i__ready(i_ready),
      .o__payload(o_word),
      .o__valid(o_valid),
      .o__ready(1'b1)
  );
`endif

  initial begin
    $readmemh("job.hex", job);
    $readmemh("answers.hex", answers);
    found = 0;
    sent = 0;
    received = 0;
    cycles = 0;
    last = 0;
    i_valid = 1'b0;
    i_word = 0;
    rst = 1'b1;
    clk = 1'b0;
    forever #5 clk = !clk;
  end

  // The packet that is complete must be one of those expected, and not one that has come before.
  task match_packet;
    integer n;
    integer word;
    reg same;
    reg matched;
    begin
      matched = 1'b0;
      for (n = 0; n < `MIXVEC_PACKETS; n = n + 1) begin
        same = !matched && !found[n];
        for (word = 0; word < `MIXVEC_PACKET_WORDS; word = word + 1)
          if (packet[word] !== answers[n*`MIXVEC_PACKET_WORDS+word]) same = 1'b0;
        if (same) begin
          found[n] = 1'b1;
          matched  = 1'b1;
        end
      end
      if (!matched) $fatal(1, "packet before word %0d is none of those expected", received);
    end
  endtask

  task take_word;
    begin
      if (received >= ANSWERS) $fatal(1, "more than the expected %0d words come out", ANSWERS);
      if (received < OUTPUTS) packet[received%`MIXVEC_PACKET_WORDS] = o_word;
      else if (o_word !== answers[received])
        $fatal(1, "word %0d of DONE is %h, not %h", received - OUTPUTS, o_word, answers[received]);
      received = received + 1;
      last = cycles;
      if (received <= OUTPUTS && received % `MIXVEC_PACKET_WORDS == 0) match_packet;
    end
  endtask

  always @(posedge clk) begin
    cycles = cycles + 1;
    rst <= cycles < 4;
    if (!rst) begin
      if (o_valid) take_word;
      if (i_valid && i_ready) sent = sent + 1;
      i_valid <= sent < `MIXVEC_JOB_WORDS;
      if (sent < `MIXVEC_JOB_WORDS) i_word <= job[sent];
    end
    if (cycles > `MIXVEC_LIMIT) $fatal(1, "only %0d of %0d words have come out", received, ANSWERS);
    if (received == ANSWERS && cycles > last + QUIET) begin
      $display("mixvec_bench: %0d words in, %0d words out, all as expected", sent, received);
      $finish;
    end
  end
endmodule
