"""The README and the guide are what the program says."""

import re
from pathlib import Path

import cogapp
import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "imgmem" / "docs").glob("*.md"))]


def test_generated_parts_are_up_to_date():
    outdated = cogapp.Cog().main(
        ["cog", "--check", "--diff", "-I", str(ROOT / "scripts"), *map(str, PAGES)]
    )
    assert outdated == 0, "run scripts/readme"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_block_is_empty(page):
    assert not re.findall(r"```\w*\n\s*```", page.read_text())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_holds_the_marks_of_a_merge(page):
    assert not re.findall(r"^(?:<{7}|={7}|>{7})(?: .*)?$", page.read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_readme_has_at_most_300_lines():
    assert len((ROOT / "README.md").read_text().splitlines()) <= 300
