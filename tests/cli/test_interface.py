"""What all commands have in common on the command line."""

import json

import click
import pytest
from support import program

import imgmem
from imgmem.cli import COMMANDS, main

WITHOUT_VARIABLE = {"dry_run", "overwrite", "restart", "undo", "update", "resplit"}
"""Switches that delete, undo, draw again or leave the work out: a forgotten variable in a shell
profile must not do that to every command."""


def options_of(command):
    return [one for one in main.get_command(None, command).params if isinstance(one, click.Option)]


def test_the_commands_are_listed_in_the_order_of_use():
    lines = program.imgmem("--help").stdout.split("Commands:\n")[1].splitlines()[:5]
    assert [line.split()[0] for line in lines] == [
        "build",
        "stats",
        "normalize",
        "sample",
        "estimate",
    ]


def test_the_version_has_one_home():
    assert program.imgmem("--version").stdout == f"imgmem, version {imgmem.__version__}\n"


def test_no_command_is_a_usage_error_that_shows_the_help():
    done = program.imgmem()
    assert (done.returncode, done.stdout) == (2, "")
    assert "Commands:" in done.stderr


def completed(words, place):
    """What bash offers for the word at `place`."""
    env = {"_IMGMEM_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(place)}
    return program.imgmem(env=env).stdout


@pytest.mark.parametrize("command", COMMANDS)
class TestEachCommand:
    def test_help_shows_an_example(self, command):
        page = program.imgmem(command, "--help").stdout
        assert "\n  Examples:\n" in page
        assert f"    imgmem {command} " in page

    def test_its_line_in_the_list_is_the_first_of_its_help(self, command):
        assert main.get_command(None, command).help.splitlines()[0] == COMMANDS[command]

    def test_help_fits_80_columns(self, command):
        page = program.imgmem(command, "--help", env={"COLUMNS": "200"}).stdout
        assert max(map(len, page.splitlines())) <= 80

    def test_every_option_has_a_help_text(self, command):
        assert [option.name for option in options_of(command) if not option.help] == []

    def test_every_option_has_its_variable_but_for_switches_with_lasting_effects(self, command):
        for option in options_of(command):
            flag = max(option.opts, key=len)
            variable = f"IMGMEM_{command}_{flag[2:]}".replace("-", "_").upper()
            assert option.envvar == (None if option.name in WITHOUT_VARIABLE else variable)

    def test_json_and_quiet_are_there(self, command):
        flags = {flag for option in options_of(command) for flag in option.opts}
        assert {"--json", "--quiet", "-q"} <= flags

    def test_an_unknown_option_is_refused_in_two_lines(self, command):
        done = program.imgmem(command, "--nonsense")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("imgmem: No such option")
        assert done.stderr.endswith(f"See `imgmem {command} --help`.\n")
        assert done.stderr.count("\n") == 2

    def test_a_missing_argument_is_refused_as_json_too(self, command):
        done = program.imgmem(command, "--json")
        assert done.returncode == 2
        assert json.loads(done.stdout)["error"]["kind"] == "usage"

    def test_the_shell_completes_its_options(self, command):
        assert completed(f"imgmem {command} --js", 2) == "plain,--json\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_sourced(shell):
    assert "_IMGMEM_COMPLETE" in program.imgmem(env={"_IMGMEM_COMPLETE": f"{shell}_source"}).stdout


def test_the_shell_completes_commands():
    assert completed("imgmem no", 1) == "plain,normalize\n"
