"""Malformed streams for the decoders: they may refuse one, in a sentence and soon, and nothing else."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Final

from codesign.fuzz.malformer import Malformer
from codesign.regression.aftermath import good_jobs
from codesign.regression.jobs import Job, stream_of
from spec.arch import ArchConfig
from spec.errors import ConfigError, FormatError
from spec.packet import read_answers, read_packets, word_bytes_of
from sw.job import read_outputs
from sw.reference import execute
from sw.unpack import unpack

__all__ = ["Decoder", "decoder_defect", "decoders"]

_MOST_SECONDS: Final = 10
"""Processor time that a decoder may take for a stream of a few kilobytes."""


class _TooSlowError(Exception):
    """Raised inside a decoder that takes too long."""


@dataclass(frozen=True, eq=False)
class Decoder:
    """A decoder and the malformed streams made for it.

    Parameters
    ----------
    name : str
    malformer : Malformer
    read : callable
        Takes a stream.
    """

    name: str
    malformer: Malformer
    read: Callable[[bytes], object]


def decoders(arch: ArchConfig, seed: int, file: bytes) -> tuple[Decoder, ...]:
    """Return every decoder of streams and files of ``arch``.

    Parameters
    ----------
    arch : ArchConfig
    seed : int
    file : bytes
        A packed file, which packed files are made from.
    """
    size = arch.stream_width // 8
    jobs = good_jobs(arch)
    streams = [stream_of(job, arch) for job in jobs]
    sent, files = Malformer(streams, size, seed), Malformer([file], size, seed)
    return (
        Decoder("sw.unpack.unpack", files, unpack),
        Decoder("sw.reference.execute", sent, lambda data: execute(data, arch)),
        Decoder(
            "spec.packet.read_packets", files, lambda data: list(read_packets(data, word_bytes_of(data)))
        ),
        *(
            _answer_decoder(job, stream, arch, seed)
            for job, stream in list(zip(jobs, streams, strict=True))[:2]
        ),
    )


def _answer_decoder(job: Job, stream: bytes, arch: ArchConfig, seed: int) -> Decoder:
    answer, size = execute(stream, arch), arch.stream_width // 8
    malformer = Malformer([answer], size, seed, packets=[list(read_answers(answer, size))])
    return Decoder(
        "sw.job.read_outputs", malformer, lambda data: read_outputs(data, job.packed, job.tokens, arch)
    )


def decoder_defect(decoder: Decoder, number: int) -> str | None:
    """Return what is wrong with how ``decoder`` takes malformed stream ``number``; None if nothing is."""
    data = decoder.malformer.stream(number)
    try:
        with _bounded():
            decoder.read(data)
    except (FormatError, ConfigError) as error:
        sentence = str(error)
        return (
            None if sentence and "\n" not in sentence else f"refuses it with {sentence!r}, not one sentence"
        )
    except _TooSlowError:
        return f"takes more than {_MOST_SECONDS} s for {len(data)} bytes"
    except Exception as error:
        return f"raises {type(error).__name__}: {error}"
    return None


@contextmanager
def _bounded() -> Iterator[None]:
    """End what takes too long with an exception."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _TooSlowError

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, _MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
