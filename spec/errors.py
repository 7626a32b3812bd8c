"""The errors that a user can cause by what they ask for, or meet at a board."""

__all__ = ["ConfigError", "FormatError", "LinkError"]


class ConfigError(ValueError):
    """A configuration or a layer that the architecture cannot hold; says what to change."""


class FormatError(ValueError):
    """A stream or a word that does not follow the format; says where and which rule."""


class LinkError(RuntimeError):
    """A board that does not answer, or not as a board does; says what to look at."""
