"""The grammar of option values: words, prefixes, lists, roles, maps and files."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imgmem.core.errors import InputError, UsageError
from imgmem.core.sources import grammar


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("folder", ("folder", "")),
        ("parent", ("parent", "")),
        ("path", ("path", "")),
        ("none", ("none", "")),
        ("folder:2", ("level", "2")),
        ("folder:-1", ("level", "-1")),
        ("name:^(.)", ("name", "^(.)")),
        ("path:a:(b)", ("path-pattern", "a:(b)")),
        ("./name:x", ("file", "./name:x")),
        ("./none", ("file", "./none")),
        ("labels.csv", ("file", "labels.csv")),
        ("c:/labels.csv", ("file", "c:/labels.csv")),
    ],
)
def test_a_known_word_or_prefix_wins_and_all_else_is_a_file(text, rule):
    assert grammar.label_rule(text) == rule


@pytest.mark.parametrize("text", ["folder:0", "folder:x", "folder:", "name:(", "name:x", "path:x"])
def test_a_malformed_rule_is_a_usage_error(text):
    with pytest.raises(UsageError, match=r"^labels: "):
        grammar.label_rule(text)


def test_a_list_is_one_csv_record_and_its_first_equals_sign_parts_role_and_name():
    given = 'path=id,"label=a,b",label=x=y'
    assert grammar.roles(given, "columns") == (("path", "id"), ("label", "a,b"), ("label", "x=y"))


def test_several_texts_and_plain_values_mean_the_same():
    pairs = (("path", "id"), ("label", "breed"))
    assert grammar.roles("path=id,label=breed", "columns") == pairs
    assert grammar.roles(("path=id", "label=breed"), "columns") == pairs
    assert grammar.roles({"path": "id", "label": "breed"}, "columns") == pairs


@pytest.mark.parametrize("text", ["id", "=x", '"a=b', "a=b,c"])
def test_a_part_that_is_not_a_pair_is_a_usage_error(text):
    with pytest.raises(UsageError):
        grammar.roles(text, "columns")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("m.json", json.dumps({"0": "CBB", "n1": "tench, or doctor fish", "x": None})),
        ("m.csv", '0,CBB\nn1,"tench, or doctor fish"\nx,\n'),
        ("m.txt", '0,CBB\nn1,"tench, or doctor fish"\nx,\n'),
    ],
)
def test_a_file_of_a_map_may_be_json_or_csv(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    found = {"0": "CBB", "n1": "tench, or doctor fish", "x": ""}
    assert grammar.mapping(f"@{tmp_path / name}", "class_map") == found


def test_a_file_of_a_map_may_be_lines_of_a_name_and_the_rest(tmp_path):
    (tmp_path / "words.txt").write_text(
        "n01440764 tench, Tinca tinca\r\nn01443537\tgoldfish\r\n", encoding="utf-16"
    )
    assert grammar.mapping(f"@{tmp_path / 'words.txt'}", "class_map") == {
        "n01440764": "tench, Tinca tinca",
        "n01443537": "goldfish",
    }


@pytest.mark.parametrize("text", ['{"a": ', '{"a": [1]}', "one\n", "a b\nc\n"])
def test_a_file_that_is_not_a_map_is_bad_input_by_name(tmp_path, text):
    (tmp_path / "m.txt").write_text(text)
    with pytest.raises(InputError, match=r"m\.txt"):
        grammar.mapping(f"@{tmp_path / 'm.txt'}", "class_map")


def test_a_name_that_is_mapped_twice_is_a_usage_error():
    with pytest.raises(UsageError, match="'a' is mapped to 'x' and to 'y'"):
        grammar.mapping("a=x,a=y", "class_map")


def test_a_file_of_paths_has_one_a_line_with_bytes_escaped(tmp_path):
    (tmp_path / "list.txt").write_text("a b.jpg\ncaf\\udce9.jpg\n\n*.png\n")
    found = grammar.paths(("x.jpg", f"@{tmp_path / 'list.txt'}"), "include")
    assert found[:2] == (("x.jpg",), ("a b.jpg", "caf\udce9.jpg", "*.png"))


@given(st.lists(st.text(st.characters(exclude_characters="\0\r\n"), min_size=1), min_size=1))
def test_every_list_can_be_written_as_one_csv_record(parts):
    text = ",".join('"' + part.replace('"', '""') + '"' for part in parts)
    assert grammar.record(text, "include") == parts


@pytest.mark.parametrize("name", ["a=b", "@home", "a,b=c", "=", "a\\b", '"a"', "plain"])
def test_a_part_of_a_map_says_any_name(name):
    assert grammar.mapping(grammar.as_pair(name, "t=o"), "class_map") == {name: "t=o"}


def test_an_equals_sign_without_a_backslash_ends_the_first_name():
    assert grammar.roles("path=id,label=a=b", "columns") == (("path", "id"), ("label", "a=b"))
