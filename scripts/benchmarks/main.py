"""The command line of scripts/bench."""

import argparse
import sys
import tempfile
from pathlib import Path

from benchmarks import table
from benchmarks.jobs import JOBS, QUICK, Scale, Workshop
from benchmarks.running import run_job

EPILOG = """
Jobs: {jobs}.

Other packages take part where --peers DIR holds an environment for them, named ffcv, litdata,
streaming (mosaicml-streaming), datasets, webdataset or turboloader:

  python -m venv DIR/litdata && DIR/litdata/bin/pip install litdata opencv-python-headless

The PyTorch loaders take part where torch is installed beside imgmem.
"""


def main() -> None:
    options = _options()
    scale = QUICK if options.quick else Scale()
    repeats = 1 if options.quick else options.repeats
    with tempfile.TemporaryDirectory(dir=options.work, prefix="imgmem-bench-") as directory:
        shop = Workshop(Path(directory), scale, options.images)
        done = []
        if options.quick:
            print("quick: a few images, one round; it shows that all runs, not how fast")
        for name in options.jobs or JOBS:
            job = JOBS[name](shop)
            results, absent = run_job(job, repeats=repeats, peers=options.peers, say=_say)
            table.show(job, results, absent)
            done.append(table.as_json(job, results, absent))
            if options.json:
                table.write(options.json, done)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench",
        description="Measure imgmem beside baselines, limits and other packages: each job in "
        "fresh processes, in turn, medians over the rounds.",
        epilog=EPILOG.format(jobs=", ".join(JOBS)),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("jobs", nargs="*", metavar="JOB", help="which jobs (default: all)")
    parser.add_argument("--images", type=Path, metavar="DIR", help="photographs to use, repeated")
    parser.add_argument("--repeats", type=int, default=5, metavar="N", help="rounds (default: 5)")
    parser.add_argument("--json", metavar="FILE", help="write every run there")
    parser.add_argument("--peers", type=Path, metavar="DIR", help="environments of other packages")
    parser.add_argument("--work", type=Path, metavar="DIR", help="where to work; needs 10 GB")
    parser.add_argument("--quick", action="store_true", help="a few images: does it all run?")
    options = parser.parse_args()
    if unknown := set(options.jobs) - set(JOBS):
        parser.error(f"unknown job {', '.join(unknown)}; there are {', '.join(JOBS)}")
    return options


def _say(text: str) -> None:
    """What is going on, for people who wait."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
