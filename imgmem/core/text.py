"""Text from outside, made harmless where people see it."""


def printable(text: str) -> str:
    """`text` with control characters and undecodable bytes escaped, so no terminal obeys them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
