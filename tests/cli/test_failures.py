"""Every failure ends in its exit code, with one or two lines on stderr and JSON on request."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support import program

PROGRAM = [sys.executable, str(Path(__file__).with_name("failing_program.py"))]


def run(*arguments, **environment):
    return program.run([*PROGRAM, *arguments], env=environment, timeout=60)


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ("memory", 5),
        ("thread", 5),
        ("library", 5),
        ("full", 5),
        ("nameless", 5),
        ("evicted", 5),
        ("pipe", 5),
        ("denied", 3),
        ("surrogates", 3),
        ("dataset", 4),
        ("check", 1),
        ("bug", 70),
        ("end", 70),
        ("succeed", 0),
    ],
)
def test_a_failure_has_its_exit_code_in_the_process_and_in_the_json(how, code):
    done = run("fail", how, "--json")
    document = json.loads(done.stdout)
    assert done.returncode == code
    assert document.get("error", {"exit_code": 0})["exit_code"] == code
    assert (document["command"], document["schema"]) == ("fail", 2)


@pytest.mark.parametrize("how", ["memory", "library", "full", "denied", "surrogates", "dataset"])
def test_what_a_user_can_cause_takes_at_most_two_plain_lines(how):
    done = run("fail", how)
    assert done.stdout == ""
    assert done.stderr.startswith("imgmem: ")
    assert done.stderr.count("\n") <= 2
    assert "\x1b" not in done.stderr


def test_a_fault_of_ours_shows_its_traceback():
    assert "ZeroDivisionError: division by zero\n" in run("fail", "bug").stderr


def test_a_missing_system_library_is_named_with_its_package():
    message = run("fail", "library").stderr
    assert "libGL.so.1" in message
    assert "libgl1" in message
    assert "opencv-python-headless" in message


def test_a_failed_check_prints_its_result_and_its_reason_in_one_object():
    document = json.loads(run("fail", "check", "--json").stdout)
    assert document["count"] == 3
    assert document["error"] == {
        "kind": "check",
        "exit_code": 1,
        "message": "too large",
        "hint": "Buy memory.",
        "bytes": 5,
    }


def test_a_failed_check_keeps_its_exit_code_where_the_reader_has_gone():
    assert piped_to_nobody("check") == 1


def test_json_has_null_for_what_is_not_a_number():
    assert json.loads(run("fail", "succeed", "--json").stdout)["mean"] is None


def test_names_reach_the_terminal_without_obeying_markup_or_emoji():
    shown = run("fail", "succeed", PYTHONIOENCODING="utf-8").stdout
    assert "[bold]red[/bold] :smile: " in shown


def test_json_can_be_asked_for_by_environment_even_in_usage_errors():
    done = run("fail", "succeed", "--nonsense", IMGMEM_FAIL_JSON="1")
    assert json.loads(done.stdout)["error"]["kind"] == "usage"
    assert done.returncode == 2


def test_a_file_named_json_after_two_dashes_asks_for_nothing():
    assert run("fail", "dataset", "--", "--json").stdout == ""


def test_quiet_still_tells_errors():
    done = run("fail", "dataset", "--quiet")
    assert (done.stdout, done.stderr) == ("", "imgmem: damaged\n")


def test_quiet_prints_no_result():
    assert run("fail", "succeed", "--quiet").stdout == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("how", ["succeed", "surrogates"])
def test_no_name_is_unprintable(how, encoding):
    done = run("fail", how, LC_ALL="C", PYTHONUTF8="0", PYTHONIOENCODING=encoding)
    assert "Unicode" not in done.stderr


def test_an_option_can_be_set_by_environment():
    assert run("fail", "options", IMGMEM_FAIL_SOME_NUMBER="7").stdout == "7 False\n"


def test_overwrite_can_not_be_set_by_environment():
    assert run("fail", "options", IMGMEM_FAIL_OVERWRITE="1").stdout == "1 False\n"


def test_a_wrong_environment_value_is_a_usage_error():
    done = run("fail", "options", IMGMEM_FAIL_SOME_NUMBER="many")
    assert done.returncode == 2
    assert "--some-number" in done.stderr


def piped_to_nobody(*arguments):
    """The exit code of a run whose reader closes stdout before a byte is written."""
    with subprocess.Popen(
        [*PROGRAM, "fail", *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.close()
        complaint = process.stderr.read()
    assert "Traceback" not in complaint
    assert "Broken" not in complaint
    return process.returncode


@pytest.mark.parametrize("arguments", [["succeed"], ["succeed", "--json"], ["--help"]])
def test_a_reader_that_goes_away_is_not_an_error(arguments):
    assert piped_to_nobody(*arguments) == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
@pytest.mark.parametrize(
    "arguments", [["succeed"], ["succeed", "--json"], ["check", "--json"], ["pipe", "--json"]]
)
def test_a_result_that_cannot_be_written_is_an_error(arguments):
    with open("/dev/full", "wb") as full:
        done = program.run([*PROGRAM, "fail", *arguments], stdout=full)
    assert done.returncode == 5
    assert ("standard output" in done.stderr) == (arguments[0] != "pipe")
    assert "Traceback" not in done.stderr


def test_closed_streams_are_no_error():
    command = f"{' '.join(PROGRAM)} fail succeed >&- 2>&-"
    assert program.run(["sh", "-c", command]).returncode == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_with_130_while_threads_still_work(number):
    with subprocess.Popen(
        [*PROGRAM, "fail", "wait"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        process.stdout.readline()
        process.send_signal(number)
        complaint = process.stderr.read()
    assert process.returncode == 130
    assert complaint == "imgmem: interrupted at row 3\n        Run it again to go on.\n"


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="there is no /proc")
def test_a_closed_terminal_does_not_end_what_nohup_started():
    command = ["sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *PROGRAM, "fail", "wait"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        status = Path(f"/proc/{process.pid}/status").read_text()
        process.terminate()
    [ignored] = re.findall(r"SigIgn:\s*(\w+)", status)
    assert int(ignored, 16) & 1 << (signal.SIGHUP - 1)


def test_a_warning_is_one_line_without_code():
    assert run("fail", "warn").stderr == "imgmem: warning: the disk is slow\n"
