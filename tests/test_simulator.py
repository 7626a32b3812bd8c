"""The simulators, the stream harness and the stream testbench, on a loopback."""

import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from amaranth import Module
from amaranth.back import verilog
from amaranth.lib import stream, wiring
from amaranth.lib.fifo import SyncFIFO
from amaranth.lib.wiring import In, Out

from sim.component import run_component_test, visible_ports
from sim.simulator import Simulator, SimulatorError, build, cache_folder
from sim.stream_run import run_stream
from sim.words import Words, words_of

SIMULATORS = [
    Simulator.VERILATOR,
    pytest.param(
        Simulator.ICARUS,
        marks=pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH"),
    ),
]

PORTS = """
module mixvec(input clk, input rst,
  input [63:0] i__payload, input i__valid, output i__ready,
  output {kind} [63:0] o__payload, output {kind} o__valid, input o__ready);
{body}
endmodule
"""
DEAF = PORTS.format(
    kind="", body="assign i__ready = 1'b0; assign o__valid = 1'b0; assign o__payload = 64'd0;"
)
MUTE = PORTS.format(
    kind="", body="assign i__ready = 1'b1; assign o__valid = 1'b0; assign o__payload = 64'd0;"
)
UNKNOWN = PORTS.format(
    kind="", body="assign i__ready = 1'b1; assign o__valid = i__valid; assign o__payload = 64'bx;"
)
# Offers a word only to a receiver that is ready, which streams forbid.
SHY = PORTS.format(
    kind="",
    body="assign i__ready = o__ready; assign o__valid = i__valid & o__ready; assign o__payload = i__payload;",
)
# Withdraws an offer that is not taken at once.
FICKLE = PORTS.format(
    kind="reg",
    body="""assign i__ready = 1'b1;
always @(posedge clk) begin o__valid <= !rst && !o__valid; o__payload <= 64'd7; end""",
)


class Loopback(wiring.Component):
    """A FIFO of eight words."""

    i: stream.Interface
    o: stream.Interface

    def __init__(self, width: int) -> None:
        self.width = width
        super().__init__({"i": In(stream.Signature(width)), "o": Out(stream.Signature(width))})

    def elaborate(self, platform: object) -> Module:
        m = Module()
        m.submodules.fifo = fifo = SyncFIFO(width=self.width, depth=8)
        wiring.connect(m, wiring.flipped(self.i), fifo.w_stream)
        wiring.connect(m, fifo.r_stream, wiring.flipped(self.o))
        return m


def loopback(width: int = 64) -> str:
    return verilog.convert(Loopback(width), name="mixvec", emit_src=False, strip_internal_attrs=True)


def random_words(count: int, width: int = 64, seed: int = 0) -> Words:
    return words_of(np.random.default_rng(seed).bytes(count * width // 8), width)


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize(("stall_i", "stall_o"), [(0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)])
def test_words_come_back_unchanged(simulator: Simulator, stall_i: float, stall_o: float) -> None:
    words = random_words(500)

    result = run_stream(loopback(), 64, words, simulator=simulator, stall_i=stall_i, stall_o=stall_o, seed=3)

    assert not result.timed_out
    assert result.accepted == len(words)
    np.testing.assert_array_equal(result.words, words)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_a_lazy_sink_takes_every_word_in_the_cycle_behind_its_offer(simulator: Simulator) -> None:
    words = random_words(200)

    result = run_stream(loopback(), 64, words, simulator=simulator, lazy=True)

    np.testing.assert_array_equal(result.words, words)
    assert result.last_out - result.first_out == 2 * (len(words) - 1)


def test_a_device_that_waits_for_a_lazy_sink_times_out() -> None:
    words = random_words(3)

    result = run_stream(SHY, 64, words, limit=5000, lazy=True)

    assert result.timed_out
    assert len(result.words) == 0
    np.testing.assert_array_equal(run_stream(SHY, 64, words).words, words)


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize("width", [32, 1024])
def test_words_of_any_width_keep_their_order(simulator: Simulator, width: int) -> None:
    words = random_words(20, width=width)

    result = run_stream(loopback(width), width, words, simulator=simulator)

    np.testing.assert_array_equal(result.words, words)


def test_integers_and_arrays_are_the_same_words() -> None:
    words = [0x0123456789ABCDEF << 64 | 5, 1 << 127]

    result = run_stream(loopback(128), 128, words)

    assert result.answer == b"".join(word.to_bytes(16, "little") for word in words)


def test_a_word_moves_in_every_cycle_without_stalls() -> None:
    # One cycle through the FIFO besides the words themselves.
    assert run_stream(loopback(), 64, random_words(1000)).cycles == 1001


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_stalls_cost_the_same_cycles_on_every_simulator(simulator: Simulator) -> None:
    result = run_stream(
        loopback(), 64, random_words(1000), simulator=simulator, stall_i=0.25, stall_o=0.5, seed=1
    )

    assert result.cycles == 1979


@pytest.mark.parametrize("simulator", SIMULATORS)
@pytest.mark.parametrize(("reset_at", "stall_o"), [(1, 0.0), (30, 0.0), (30, 0.9), (500, 0.0)])
def test_a_reset_in_mid_run_leaves_only_what_is_fed_behind_it(
    simulator: Simulator, reset_at: int, stall_o: float
) -> None:
    words = random_words(150)

    result = run_stream(
        loopback(), 64, words, simulator=simulator, stall_o=stall_o, reset_at=reset_at, resume=100
    )

    assert not result.timed_out
    assert result.accepted == 50
    np.testing.assert_array_equal(result.words, words[100:])
    if not stall_o:
        assert result.cycles == 51


def test_another_seed_stalls_elsewhere() -> None:
    first, second = (
        run_stream(loopback(), 64, random_words(1000), stall_i=0.25, stall_o=0.5, seed=seed)
        for seed in (1, 2)
    )

    assert first.cycles != second.cycles
    np.testing.assert_array_equal(first.words, second.words)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_no_words_in_give_no_words_out(simulator: Simulator) -> None:
    result = run_stream(loopback(), 64, [], simulator=simulator)

    assert result.words.shape == (0, 2)
    assert (result.cycles, result.timed_out) == (0, False)


def test_a_device_that_never_accepts_times_out() -> None:
    result = run_stream(DEAF, 64, random_words(3), limit=5000)

    assert result.timed_out
    assert result.accepted == 0
    assert result.simulated_cycles == 5001


def test_a_missing_answer_times_out() -> None:
    result = run_stream(MUTE, 64, random_words(3), limit=5000, expected=1)

    assert result.timed_out
    assert result.accepted == 3


def test_a_surplus_word_is_seen() -> None:
    assert len(run_stream(loopback(), 64, random_words(5), expected=4).words) == 5


@pytest.mark.skipif(shutil.which("iverilog") is None, reason="iverilog is not on PATH")
def test_unknown_bits_are_refused() -> None:
    with pytest.raises(SimulatorError, match="an output word of `mixvec` has unknown bits"):
        run_stream(UNKNOWN, 64, random_words(3), simulator=Simulator.ICARUS)


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_waves_are_recorded(simulator: Simulator, tmp_path: Path) -> None:
    waves = tmp_path / "loopback.fst"

    run_stream(loopback(), 64, random_words(10), simulator=simulator, waves=waves)

    assert waves.stat().st_size > 100


@pytest.mark.parametrize("simulator", SIMULATORS)
def test_source_and_sink_keep_words_under_stalls(simulator: Simulator) -> None:
    run_component_test(loopback(), "mixvec", "sim.cocotb_loopback", simulator=simulator)


def test_a_withdrawn_offer_fails_the_testbench() -> None:
    with pytest.raises(SimulatorError, match="word 0x7 was withdrawn before it was taken"):
        run_component_test(FICKLE, "mixvec", "sim.cocotb_loopback")


def test_an_unknown_testcase_is_an_error() -> None:
    with pytest.raises(SimulatorError):
        run_component_test(loopback(), "mixvec", "sim.cocotb_loopback", "no_such_test")


def test_verilog_that_does_not_compile_is_refused() -> None:
    with pytest.raises(SimulatorError, match="verilator does not build `harness`"):
        run_stream("module mixvec(", 64, [])


def test_a_missing_simulator_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path))
    monkeypatch.setenv("PATH", "")
    with pytest.raises(SimulatorError, match="Icarus Verilog is not installed"):
        build([loopback()], top="mixvec", simulator=Simulator.ICARUS)
    with pytest.raises(SimulatorError, match=r"Verilator needs a C\+\+ compiler"):
        build([loopback()], top="mixvec")


def test_a_cache_path_with_spaces_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path / "two words"))
    with pytest.raises(SimulatorError, match="set MIXVEC_CACHE to another"):
        build([loopback()], top="mixvec")


def test_builds_asked_for_at_once_are_built_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime = cache_folder() / "runtime"
    runtime.mkdir(parents=True, exist_ok=True)
    (tmp_path / "runtime").symlink_to(runtime)
    monkeypatch.setenv("MIXVEC_CACHE", str(tmp_path))

    with ThreadPoolExecutor(2) as pool:
        models = list(pool.map(lambda _: build([loopback()], top="mixvec"), range(2)))

    assert models[0] == models[1]
    assert [path for path in (cache_folder() / "models").iterdir() if path.is_dir()] == [models[0].folder]


@pytest.mark.parametrize(
    ("width", "words", "message"),
    [
        (48, [], "stream_width must be a multiple of 32, not 48"),
        (16, [], "stream_width must be a multiple of 32, not 16"),
        (64, [1 << 64], "a word must fit 64 bits, not 0x10000000000000000"),
        (64, np.zeros((2, 1), np.uint32), r"words must be uint32 of shape \(n, 2\)"),
        (64, np.zeros((2, 2), np.uint64), r"words must be uint32 of shape \(n, 2\)"),
    ],
)
def test_bad_words_are_refused(width: int, words: list[int] | Words, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run_stream(DEAF, width, words)


def test_bad_stalls_are_refused() -> None:
    with pytest.raises(ValueError, match=r"stall_o must be from 0 to 1, not 1\.5"):
        run_stream(DEAF, 64, [], stall_o=1.5)


def test_ports_of_the_top_module_alone_are_marked() -> None:
    text = """module part(x, y);
  input x; output [3:0] y;
endmodule
module top(clk, \\a$1 , b, c);
  input clk;
  input [3:0] \\a$1 ;
  output reg [7:0] b , c;
  wire w;
endmodule
module top_2(input clk, input [1:0] d, e, output f);
endmodule
"""
    mark = " /*verilator public_flat_rw*/"

    netlist, ansi = visible_ports(text, "top"), visible_ports(text, "top_2")

    assert netlist.replace(mark, "") == ansi.replace(mark, "") == text
    assert netlist.count(mark) == 4
    for port in (f"input clk{mark};", f"input [3:0] \\a$1{mark} ;", f"b{mark} , c{mark};"):
        assert port in netlist
    assert f"(input clk{mark}, input [1:0] d{mark}, e{mark}, output f{mark});" in ansi
    with pytest.raises(ValueError, match="no module `other`"):
        visible_ports(text, "other")
