"""Every file of the corpus is the row, or the reject, that it must be; none crashes or hangs."""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from support.corpus import corpus, kinds

from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import check_size, decode_into
from imgmem.core.errors import RejectedImage
from imgmem.core.machine import process
from imgmem.core.specs import ImageSpec

HANG_SECONDS = 10


def outcome(data):
    """The row of native size, or the reason."""
    spec = ImageSpec(size=None)
    try:
        header = read_header(data)
        check_size(header, spec, header.size)
        row = np.zeros((*header.size, 3), np.uint8)
        decode_into(data, spec, row, header=header)
    except RejectedImage as reject:
        assert reject.detail
        return reject.reason
    return row


def wrong(file, found):
    """What is wrong with an outcome, or ""."""
    if isinstance(found, str):
        return "" if found in file.reasons else f"rejected: {found}"
    if file.pixels is None:
        return "accepted"
    if found.shape != file.pixels.shape:
        return f"of shape {found.shape}"
    off = int(np.abs(found.astype(int) - file.pixels).max())
    return f"off by {off}" if off > file.tolerance else ""


def check(files):
    """Assert that all outcomes are right, each within HANG_SECONDS."""
    faults = []
    with ThreadPoolExecutor(1) as pool:
        for number, file in enumerate(files):
            found = pool.submit(outcome, file.data).result(HANG_SECONDS)
            if fault := wrong(file, found):
                faults.append(f"{number} {file.kind}: {fault}")
    assert not faults


def test_every_file_of_the_corpus_becomes_what_it_must():
    with process.settings():
        check(corpus())


def test_the_corpus_has_two_thousand_files_of_every_kind():
    counts = kinds(corpus())
    for kind, count in sorted(counts.items()):
        print(f"{count:5} {kind}")
    print(f"{counts.total():5} in all")
    assert counts.total() >= 2000


MEASURE = """
import json, sys
import numpy as np
from support.corpus import corpus
from imgmem.core.decode.headers import read_header
from imgmem.core.decode.images import check_size, decode_into
from imgmem.core.decode.memory_cost import decode_cost
from imgmem.core.errors import RejectedImage
from imgmem.core.specs import ImageSpec

def kib(name):
    for line in open("/proc/self/status"):
        if line.startswith(name + ":"):
            return int(line.split()[1])

spec = ImageSpec(size=(64, 64))
row = np.ones((64, 64, 3), np.uint8)
over = []
files = list(corpus())[::int(sys.argv[1])]
for measured in (False, True):
    for file in files:
        open("/proc/self/clear_refs", "w").write("5")
        before = kib("VmRSS")
        cost = 2**20
        try:
            header = read_header(file.data)
            check_size(header, spec, (64, 64))
            cost = decode_cost(header, spec, len(file.data))
            decode_into(file.data, spec, row, header=header)
        except RejectedImage:
            pass
        peak = (kib("VmHWM") - before) * 1024
        if measured and peak > cost:
            over.append([file.kind, peak, cost])
print(json.dumps(over))
"""


@pytest.mark.full
@pytest.mark.skipif(
    not os.access("/proc/self/clear_refs", os.W_OK), reason="peaks are reset through /proc"
)
def test_no_file_of_the_corpus_takes_more_memory_than_its_header_says():
    tests = os.path.dirname(os.path.dirname(__file__))
    run = subprocess.run(
        [sys.executable, "-c", MEASURE, "1"], capture_output=True, check=True, cwd=tests
    )
    assert json.loads(run.stdout) == []
