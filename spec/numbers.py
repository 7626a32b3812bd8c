"""Ranges of the two's complement integers that travel through the array."""

from spec.errors import ConfigError

__all__ = ["check_psum", "signed_range"]


def signed_range(width: int) -> tuple[int, int]:
    """Smallest and largest value of a signed number of ``width`` bits."""
    return -(1 << (width - 1)), (1 << (width - 1)) - 1


def check_psum(magnitude: int, psum_width: int, name: str) -> None:
    """Refuse a layer whose largest possible psum ``magnitude`` does not fit ``psum_width`` bits.

    Raises
    ------
    ConfigError
        If some activations could make a psum overflow.
    """
    largest = signed_range(psum_width)[1]
    if magnitude > largest:
        raise ConfigError(
            f"layer {name} can reach a psum of {magnitude}, more than `psum_width` {psum_width} holds "
            f"({largest}); split its inputs over two layers"
        )
