"""Help pages, messages, docstrings and documents are written in plain technical English.

The words of the glossary in `core/DESIGN.md` that are never right. There are no exceptions.
"""

import ast
import re
from pathlib import Path

import pytest
from click import Context

import imgmem
from imgmem.cli import COMMANDS, main

PACKAGE = Path(imgmem.__file__).parent
ROOT = Path(__file__).parents[2]
GLOSSARY = (PACKAGE / "core" / "DESIGN.md").read_text().partition("## Words")[2]

NEVER = (
    r"\banew\b",
    r"(?<!\bthere )\bis no (?!longer\b|more\b|\w+er\b)\w+",
    r"\b(go|goes|going) on (where|with|from|at)\b",
    r"\bhow to go on\b",
    r"\bthat is said\b",
    r"\bforetell",
    r"\bcolour|\bgrey(?! *\(|[`'\"])|\bneighbour",
    r"(?<!\.)\bin transition\b",
    r"\bgray levels?\b",
    r"\bpower cuts?\b",
    r"\bsuch as \w+=",
    r"\bspeaks? of\b",
    r"\bcarved?\b",
    r"\bas its checksums say\b",
    r"\bthe usual way\b",
    r"\bnonsense\b",
    r"\bgive (it|them|the original) back\b",
    r"\bleads? back\b",
    r"\bthe least that\b",
    r"\bpool(ed|s)? the folders\b",
    r"\bmend(ed|s)?\b",
    r"\bin mid-epoch\b",
    r"\bnameless\b",
    r"\bbare bytes\b",
    r"\banyhow\b",
    r"\b(is|was) done is kept\b",
)
DOCUMENTS = [
    ROOT / "README.md",
    *sorted(PACKAGE.rglob("*.md")),
    *sorted(ROOT.glob(".github/*.md")),
]


def wrong(text):
    """The words in a text that are never right."""
    plain = re.sub(r"\s+", " ", text)
    return (
        []
        if text == "grey"
        else [found[0] for each in NEVER for found in re.finditer(each, plain, re.IGNORECASE)]
    )


@pytest.mark.parametrize("text", ["Begin anew.", "it is no path", "goes on where it stopped"])
def test_a_wrong_word_is_found(text):
    assert wrong(text)


@pytest.mark.parametrize("text", ["there is no path", "it is no longer there", "colors, grayscale"])
def test_a_right_word_is_not(text):
    assert not wrong(text)


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_help_pages(command):
    context = Context(main, info_name="imgmem", **main.context_settings)
    page = (main.get_command(context, command) if command else main).get_help(context)
    assert wrong(page) == []


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_documents(path):
    assert wrong(path.read_text().replace(GLOSSARY, "")) == []


@pytest.mark.parametrize(
    "path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE))
)
def test_messages_and_docstrings(path):
    strings = (
        node.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    assert [found for text in strings for found in wrong(text)] == []


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.jinja")), ids=lambda path: path.name)
def test_pages(path):
    assert wrong(path.read_text()) == []


def test_the_glossary_has_twenty_pairs():
    assert len(re.findall(r"^\| (?!write|---)", GLOSSARY, re.MULTILINE)) >= 20
