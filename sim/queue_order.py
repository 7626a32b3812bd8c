"""The order of a queue's entries, whichever queue it is."""

import random
from typing import Any

from hw.block_queue import BlockQueue
from hw.queue import Queue
from sim.ports import Ports
from sim.streams import start

__all__ = ["check_order"]

_ENTRIES = 200


async def check_order(
    dut: Any, queue: Queue | BlockQueue, width: int, depth: int, stall_i: float, stall_o: float
) -> None:
    """Assert that every entry leaves once, in order and unchanged, up to ``depth`` of them inside at a time.

    Parameters
    ----------
    dut
    queue : Queue or BlockQueue
        Of ``width`` bits.
    width, depth : int
    stall_i, stall_o : float
        Share of cycles in which nothing is sent, or taken.
    """
    rng = random.Random(f"order-{stall_i}-{stall_o}")
    words = [rng.getrandbits(width) for _ in range(_ENTRIES)]
    ports = Ports(dut, queue)
    await start(dut)
    sent = 0
    seen: list[int] = []

    while len(seen) < len(words):
        inputs: dict[str, int] = {"o__ready": int(rng.random() >= stall_o)}
        if sent < len(words) and sent - len(seen) < depth and rng.random() >= stall_i:
            inputs |= {"i__valid": 1, "i__payload": words[sent]}
            sent += 1
        out = await ports.cycle(**inputs)
        assert out["i__ready"]
        if out["o__valid"] and inputs["o__ready"]:
            seen.append(out["o__payload"])

    assert seen == words
    assert not any(out["o__valid"] for out in await ports.cycles(20))
