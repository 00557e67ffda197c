"""The commands of the guide's page on living datasets do what it says."""

import os
import re
import sys
from pathlib import Path

from support import images, program

PAGE = (Path(__file__).parents[2] / "imgmem/docs/updating.md").read_text()
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
[OUTPUT] = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)


def test_the_commands_run_in_order_and_report_what_the_page_shows(tmp_path):
    names = [f"photos/{label}/{number:02}" for label in ("daisy", "tulip") for number in range(10)]
    names += ["better/00", "inbox/0", "inbox/1", "inbox/2", "coneflowers/0"]
    for seed, name in enumerate(names):
        images.write(tmp_path / f"{name}.jpg", images.photo(40, 50, seed))
    path = os.path.dirname(sys.executable) + os.pathsep + os.environ["PATH"]
    script = "set -e\n" + "\nsleep 0.1\n".join(BLOCKS)
    done = program.run(["sh", "-c", script], cwd=tmp_path, env={"PATH": path})
    assert done.returncode == 0, done.stdout + done.stderr
    for line in OUTPUT.splitlines():
        assert line in done.stdout
