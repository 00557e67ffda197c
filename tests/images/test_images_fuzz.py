"""Nothing that a file holds makes the decoder crash, hang or raise anything but a reject."""

import json
import subprocess
import sys
from pathlib import Path

from imgmem.core.errors import REJECT_REASONS

PROGRAM = Path(__file__).parent / "fuzz_images.py"


def test_thousands_of_mutated_images_are_rows_or_rejects(by_tier):
    count = by_tier(250, 1500, 4000)
    run = subprocess.run(
        [sys.executable, "-X", "faulthandler", PROGRAM, str(count)],
        capture_output=True,
        timeout=600,
        check=False,
    )
    assert (run.returncode, run.stderr.decode()) == (0, "")
    found = json.loads(run.stdout)
    assert sum(sum(outcomes.values()) for outcomes in found.values()) == count * len(found)
    accepted = 0
    for name, outcomes in found.items():
        assert set(outcomes) <= {"accepted", *REJECT_REASONS}
        assert outcomes.get("truncated", 0) + outcomes.get("corrupt", 0) > count // 20, name
        accepted += outcomes.get("accepted", 0)
    assert accepted > count  # many mutants get as far as their pixels
