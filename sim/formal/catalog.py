"""Every proof by name."""

from typing import Final

from sim.formal.proof import Proof
from sim.formal.proofs.axi_lite import AXI_LITE
from sim.formal.proofs.beat_issuer import BEAT_ISSUER
from sim.formal.proofs.block_queue import BLOCK_QUEUE
from sim.formal.proofs.byte_bridge import BYTE_NARROWER, BYTE_WIDENER
from sim.formal.proofs.checksum import CHECKSUM, DIRECT_CHECKSUM
from sim.formal.proofs.collector import COLLECTOR
from sim.formal.proofs.decompressor import DECOMPRESSOR
from sim.formal.proofs.deframer import DEFRAMER
from sim.formal.proofs.delay_line import DELAY_LINE
from sim.formal.proofs.drain import DRAIN
from sim.formal.proofs.drain_tree import DRAIN_TREE
from sim.formal.proofs.egress import EGRESS
from sim.formal.proofs.frame_closer import FRAME_CLOSER
from sim.formal.proofs.output_buffer import OUTPUT_BUFFER
from sim.formal.proofs.packet_reader import NARROW_PACKET_READER, PACKET_READER
from sim.formal.proofs.queue import QUEUE
from sim.formal.proofs.record_decoder import RECORD_DECODER
from sim.formal.proofs.record_reader import RECORD_READER
from sim.formal.proofs.register_slice import REGISTER_SLICE
from sim.formal.proofs.status import STATUS
from sim.formal.proofs.stream_window import STREAM_WINDOW
from sim.formal.proofs.zero_skip import ZERO_SKIP

__all__ = ["PROOFS"]

PROOFS: Final[dict[str, Proof]] = {
    "queue": QUEUE,
    "block_queue": BLOCK_QUEUE,
    "register_slice": REGISTER_SLICE,
    "deframer": DEFRAMER,
    "packet_reader": PACKET_READER,
    "narrow_packet_reader": NARROW_PACKET_READER,
    "record_reader": RECORD_READER,
    "record_decoder": RECORD_DECODER,
    "decompressor": DECOMPRESSOR,
    "zero_skip": ZERO_SKIP,
    "beat_issuer": BEAT_ISSUER,
    "drain": DRAIN,
    "drain_tree": DRAIN_TREE,
    "delay_line": DELAY_LINE,
    "output_buffer": OUTPUT_BUFFER,
    "collector": COLLECTOR,
    "checksum": CHECKSUM,
    "direct_checksum": DIRECT_CHECKSUM,
    "egress": EGRESS,
    "status": STATUS,
    "axi_lite": AXI_LITE,
    "frame_closer": FRAME_CLOSER,
    "stream_window": STREAM_WINDOW,
    "byte_widener": BYTE_WIDENER,
    "byte_narrower": BYTE_NARROWER,
}
