"""Deframer and packet reader, stepped cycle by cycle: when each packet is committed."""

from typing import Any

from codesign.compiler import called
from codesign.cycle_registers import Input, PacketKind

__all__ = ["step_input"]

_LOADING, _HELD, _STARVED = (int(state) for state in Input)
_OTHER, _PASS, _ACTIVATIONS, _END = (int(kind) for kind in PacketKind)
_HEADER, _SECOND, _JUDGE, _CHECK, _PAYLOAD, _TRAILER, _VERIFY, _COMPARE, _CONCLUDE, _COMMIT = range(10)


@called
def _admits(g: Any, kind: int) -> bool:
    """Whether a packet need not wait. END does for good: what follows it is of no account."""
    return bool(
        (kind == _ACTIVATIONS and g.saw_activations_free == 1)
        or (kind == _PASS and g.saw_weights_free == 1)
        or kind == _OTHER
    )


@called
def _step_reader(g: Any, t: Any, kinds: Any, lengths: Any, cycle: int) -> int:
    """Packet reader; return the packet that is committed in this cycle, or -1."""
    moved, state, committed = g.framed == 1 and g.taking == 1, g.reader, -1
    opens, closes, admitted = False, False, False
    g.input = _LOADING
    if g.taking == 1 and g.framed == 0 and g.offered_2 == 0:
        g.input = _STARVED
    if state == _HEADER:
        # The opcode is in the first word.
        if moved and kinds[g.packet] == _END:
            g.end = cycle
        if moved and t.header_words > 1:
            g.reader = _SECOND
        else:
            opens = moved
    elif state == _SECOND:
        opens = moved
    elif state == _JUDGE:
        g.reader = _CHECK
    elif state == _CHECK:
        admitted = _admits(g, kinds[g.packet])
        if admitted:
            g.left = lengths[g.packet]
            g.reader = _PAYLOAD if g.left > 0 else _TRAILER
        else:
            g.input = _HELD
    elif state == _PAYLOAD:
        g.left -= 1 if moved else 0
        if g.left == 0:
            g.reader = _TRAILER
    elif state == _TRAILER:
        closes = moved
        if closes:
            g.reader = _VERIFY
    elif state == _COMMIT:
        committed = g.packet
        g.packet += 1
        g.reader = _HEADER
    else:
        g.reader = state + 1
    if opens:
        g.reader = _JUDGE
    if opens or closes:
        g.taking = 0
    elif admitted or committed >= 0:
        g.taking = 1
    return int(committed)


@called
def _step_deframer(g: Any, syncs: Any, offers: Any, taking: int, cycle: int) -> None:
    """Deframer, whose sink is ``taking``."""
    place = g.next_word
    offered = 1 if place < len(syncs) and (len(offers) == 0 or offers[place] <= cycle) else 0
    advance = g.framed == 0 or taking == 1
    ready = g.held == 0 or advance
    held, sync = g.held, g.held_sync
    if ready:
        g.held = offered
        if offered == 1:
            g.held_sync = syncs[place]
            g.next_word += 1
    if advance:
        g.framed = 1 if held == 1 and sync == 0 else 0
    g.offered_2, g.offered_1 = g.offered_1, offered


@called
def step_input(g: Any, t: Any, syncs: Any, offers: Any, kinds: Any, lengths: Any, cycle: int) -> int:
    """Both, the reader first; return the packet that is committed in this cycle, or -1.

    Parameters
    ----------
    g, t : records of ``CONTROL`` and ``TIMING``
    syncs : ndarray of bool, shape (words,)
        Whether a word of the stream is SYNC, which goes no further; no other content decides about time.
    offers : ndarray of int64, shape (words,) or (0,)
        Cycle in which each word is first offered; empty if all are from the start.
    kinds, lengths : ndarray of int64, shape (packets,)
        ``PacketKind`` and payload words of every packet.
    cycle : int
    """
    taking = g.taking
    committed: int = _step_reader(g, t, kinds, lengths, cycle)
    _step_deframer(g, syncs, offers, taking, cycle)
    return committed
