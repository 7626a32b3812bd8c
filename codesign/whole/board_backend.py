"""A board, or its twin, on a serial line."""

import numpy as np
from numpy.typing import NDArray

from boards.host import Board
from codesign.cycles import CycleCount
from codesign.whole.answer import read_answer
from codesign.whole.backend import Record
from codesign.whole.board_port import BoardPort
from spec.arch import ArchConfig
from spec.errors import LinkError
from sw.job import job_stream
from sw.unpack import PackedLayer

__all__ = ["BoardBackend"]


class BoardBackend:
    """Sends every job to a board and records the counters that come back.

    Of these ``load_cycles``, ``beats`` and ``skipped_beats`` are the cycle model's; the others depend on when
    the line brings words and takes them.

    Parameters
    ----------
    arch : ArchConfig
    record : Record
    port : BoardPort

    Raises
    ------
    ConfigError
        If the port cannot be opened, or the board runs another architecture.
    LinkError, FormatError
        If no board answers there.
    """

    def __init__(self, arch: ArchConfig, record: Record, port: BoardPort) -> None:
        self.arch = arch
        self.record = record
        self.board = Board.open(port.name, baud=port.baud, timeout=port.timeout)
        try:
            self.board.check(arch)
        except BaseException:
            self.board.close()
            raise

    def multiply(self, layer: PackedLayer, activations: NDArray[np.int8]) -> NDArray[np.int32]:
        """See :class:`codesign.whole.backend.Backend`.

        Raises
        ------
        LinkError
            If the board falls silent.
        """
        tokens = activations.shape[1]
        answer = self.board.run(job_stream(layer, activations, self.arch))
        outputs, counters = read_answer(answer, layer, tokens, self.arch)
        if not counters:
            raise LinkError(f"layer {layer.name}: the board ended without its counters; run again")
        self.record(layer, tokens, CycleCount(**counters))
        return outputs

    def close(self) -> None:
        """Leave the line."""
        self.board.close()
