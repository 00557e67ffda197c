"""The version of this package, and nothing else: everything may import it."""

__version__ = "0.1.0"
