"""The README is what the program says."""

from pathlib import Path

import cogapp

ROOT = Path(__file__).parents[2]


def test_the_generated_parts_of_the_readme_are_up_to_date():
    outdated = cogapp.Cog().main(
        ["cog", "--check", "-I", str(ROOT / "scripts"), str(ROOT / "README.md")]
    )
    assert outdated == 0, "run scripts/readme"
