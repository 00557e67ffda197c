"""Bytes with one thing wrong, by a seed."""

import json
from contextlib import suppress

WORDS = [
    b"0", b"-1", b"1e999", b"null", b"true", b"[]", b"{}", b'""', b'"\\ud800"', b"9" * 30,
    b"9" * 5000, b"NaN", b"\xff", b"\0", b",", b'"', b"[[[[", b"(", b"'", b"\n",
]  # fmt: skip
VALUES = [None, True, -1, 0, 1, 2**63, 10**400, 1.5, "", "x", "../x", "\x1b[31m", [], [1], [[]], {}]


def mutated(data, chance):
    """Bytes with one thing wrong: of their JSON where they hold any, or anywhere."""
    if data[:1] in b"{[" and chance.random() < 0.6:
        with suppress(ValueError):
            return json.dumps(_mutated_json(json.loads(data), chance)).encode()
    at = chance.randrange(len(data) + 1)
    kind = chance.choice(("flip", "cut", "word", "zero", "double"))
    if kind == "flip" and at < len(data):
        return data[:at] + bytes([data[at] ^ 1 << chance.randrange(8)]) + data[at + 1 :]
    if kind == "cut":
        return data[:at]
    if kind == "word":
        return data[:at] + chance.choice(WORDS) + data[at + chance.choice((0, 1, 4)) :]
    if kind == "zero":
        return data[:at] + bytes(len(data[at : at + 64])) + data[at + 64 :]
    return data[:at] + data


def _mutated_json(value, chance):
    """One value in a JSON document replaced, taken away, or added."""
    inner = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not inner or chance.random() < 0.15:
        return chance.choice(VALUES)
    key = chance.choice(inner)
    if isinstance(value[key], dict | list) and chance.random() < 0.8:
        value[key] = _mutated_json(value[key], chance)
    elif chance.random() < 0.2:
        del value[key]
    else:
        value[key] = chance.choice(VALUES)
    return value
