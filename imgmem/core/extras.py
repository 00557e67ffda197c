"""How to get a package that only some sources need, from where imgmem itself runs."""

import shlex
import sys
from importlib.util import find_spec


def install_command(requirement: str) -> str:
    """A shell command that installs into the environment of this interpreter, whatever made it."""
    python = shlex.quote(sys.executable)
    if find_spec("pip") is None:  # as in environments of uv
        return f"uv pip install -p {python} {shlex.quote(requirement)}"
    return f"{python} -m pip install {shlex.quote(requirement)}"
