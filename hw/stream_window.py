"""Stream window: both streams, 32 bits at a time."""

from typing import Final

from amaranth.hdl import Cat, Const, Module, Signal, Value
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

from hw.queue import Queue
from hw.register_shapes import answer_shape, levels_shape
from spec.arch import ArchConfig

__all__ = ["StreamWindow"]


class StreamWindow(wiring.Component):
    """Gather 32-bit writes into stream words and hand stream words out in 32-bit reads, lowest bits first.

    A queue of ``DEPTH`` words stands on either side. Nothing ever waits: a write that finds the queue
    full, and a read that finds none, change nothing and are told so in the same cycle.

    Parameters
    ----------
    arch : ArchConfig
        Uses ``stream_width`` (bits).

    Members
    -------
    write, write_data : In
    write_full : Out(1)
        A write is refused in this cycle.
    read : In(1)
        The next 32 bits are taken.
    read_data, read_empty : Out
        They, or that there are none.
    i : In(stream.Signature(answer_shape(stream_width)))
        From the core.
    o : Out(stream.Signature(stream_width))
        To the core.
    clear : In(1)
        Forgets everything.
    levels : Out(levels_shape())
    answer_waiting : Out(1)
        A word with ``last``, or half a queue of words, waits to be read.
    """

    DEPTH = 32

    write: Signal
    write_data: Signal
    write_full: Signal
    read: Signal
    read_data: Signal
    read_empty: Signal
    i: stream.Interface
    o: stream.Interface
    clear: Signal
    levels: data.View
    answer_waiting: Signal

    def __init__(self, arch: ArchConfig) -> None:
        self.arch: Final = arch
        super().__init__(
            {
                "write": In(1),
                "write_data": In(32),
                "write_full": Out(1),
                "read": In(1),
                "read_data": Out(32),
                "read_empty": Out(1),
                "i": In(stream.Signature(answer_shape(arch.stream_width))),
                "o": Out(stream.Signature(arch.stream_width)),
                "clear": In(1),
                "levels": Out(levels_shape()),
                "answer_waiting": Out(1),
            }
        )

    @property
    def pieces(self) -> int:
        """Accesses per stream word."""
        return self.arch.stream_width // 32

    def elaborate(self, platform: object) -> Module:
        m = Module()
        self._gather(m)
        self._hand_out(m)
        return m

    def _gather(self, m: Module) -> None:
        """The way in."""
        m.submodules.input_queue = queue = Queue(self.arch.stream_width, self.DEPTH)
        wiring.connect(m, queue.o, wiring.flipped(self.o))
        words, accept = Signal(range(self.DEPTH + 1)), Signal()
        piece = self._count_pieces(m, accept, "piece_in")
        m.d.comb += [
            queue.clear.eq(self.clear),
            # The queue's own register is not counted, so that every word counted has a place for sure.
            self.write_full.eq(words == self.DEPTH),
            accept.eq(self.write & ~self.write_full),
            queue.i.payload.eq(self._gathered(m, accept)),
            queue.i.valid.eq(accept & (piece == self.pieces - 1)),
            self.levels.input_space.eq(self.DEPTH - words),
        ]
        m.d.sync += words.eq(words + queue.i.valid - (queue.o.valid & queue.o.ready))
        with m.If(self.clear):
            m.d.sync += words.eq(0)

    def _count_pieces(self, m: Module, moves: Value, name: str) -> Value:
        """Return the number of the piece of a word that comes next."""
        if self.pieces == 1:
            return Const(0)
        piece = Signal(range(self.pieces), name=name)
        with m.If(moves):
            m.d.sync += piece.eq(piece + 1)
        with m.If(self.clear):
            m.d.sync += piece.eq(0)
        return piece

    def _gathered(self, m: Module, accept: Signal) -> Value:
        """Return the pieces that have come of a word, and the one that comes."""
        if self.pieces == 1:
            return self.write_data
        gathered = Signal(self.arch.stream_width - 32, reset_less=True)
        with m.If(accept):
            m.d.sync += gathered.eq(Cat(gathered, self.write_data)[32:])
        return Cat(gathered, self.write_data)

    def _hand_out(self, m: Module) -> None:
        """The way out."""
        m.submodules.output_queue = queue = Queue(answer_shape(self.arch.stream_width), self.DEPTH)
        moves = Signal()
        piece = self._count_pieces(m, moves, "piece_out")
        # One more than DEPTH: the queue's own register.
        words, ends = Signal(range(self.DEPTH + 2)), Signal(range(self.DEPTH + 2))
        entering, leaving = Signal(), Signal()
        m.d.comb += [
            queue.clear.eq(self.clear),
            self.read_empty.eq(~queue.o.valid),
            self.read_data.eq(queue.o.payload.word.word_select(piece, 32)),
            queue.o.ready.eq(self.read & (piece == self.pieces - 1)),
            # A word sits in the queue's register as soon as there are two.
            self.i.ready.eq(words != self.DEPTH + 1),
            entering.eq(self.i.valid & self.i.ready),
            queue.i.valid.eq(entering),
            queue.i.payload.eq(self.i.payload),
            leaving.eq(queue.o.valid & queue.o.ready),
            moves.eq(self.read & ~self.read_empty),
        ]
        with m.If(queue.o.valid):
            # A word that has just entered is there before the one in front of it is read.
            m.d.comb += self.levels.output_words.eq(words)
            m.d.comb += self.answer_waiting.eq((ends != 0) | (words >= self.DEPTH // 2))
        m.d.sync += words.eq(words + entering - leaving)
        m.d.sync += ends.eq(ends + (entering & queue.i.payload.last) - (leaving & queue.o.payload.last))
        with m.If(self.clear):
            m.d.sync += [words.eq(0), ends.eq(0)]
