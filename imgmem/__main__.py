"""`python -m imgmem`."""

from imgmem.cli import main

main()
