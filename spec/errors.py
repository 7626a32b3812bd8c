"""The one error a user can cause by what they ask for."""

__all__ = ["ConfigError", "FormatError"]


class ConfigError(ValueError):
    """A configuration or a layer that the architecture cannot hold; says what to change."""


class FormatError(ValueError):
    """A stream or a word that does not follow the format; says where and which rule."""
