"""Tables of web addresses are refused with what fetches them, unless their images are there."""

from pathlib import Path

import pytest
from support.trees import class_folders

import imgmem as api
from imgmem.core.errors import InputError

TABLES = {
    "a.csv": "url,label\nhttps://h.com/a.jpg,cat\nhttp://h.com/b.jpg,dog\n",
    "b.txt": "https://h.com/a.jpg\nhttps://h.com/b.jpg\n",
    "c.txt": "https://h.com/img?id=4 cat\nhttps://h.com/img?id=5 dog\n",
    "d.jsonl": '{"url": "https://h.com/a", "text": "x"}\n{"url": "HTTPS://h.com/b", "text": "y"}',
    "e.csv": "image,label\nhttps://h.com/a.jpg,cat\n,dog\nhttps://h.com/b.jpg,dog\n",
    "f.csv": "id,url,label\n1,https://h.com/a,cat\n2,https://h.com/b,dog\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_it_is_refused_with_what_fetches_them(tmp_path, name):
    table = tmp_path / name
    table.write_text(TABLES[name])
    with pytest.raises(InputError, match=f"{name} lists web addresses") as caught:
        api.build(table, tmp_path / "out", size=8)
    assert "img2dataset" in caught.value.hint


def test_a_table_with_paths_next_to_addresses_is_read(tmp_path):
    folder = Path(class_folders(tmp_path / "set", {"ant": 2, "bee": 2}))
    names = sorted(path.relative_to(tmp_path).as_posix() for path in folder.rglob("*.png"))
    rows = (f"{name},https://h.com/{at}.png,{name[4:7]}\n" for at, name in enumerate(names))
    (tmp_path / "list.csv").write_text("file,url,label\n" + "".join(rows))
    assert api.build(tmp_path / "list.csv", tmp_path / "out", size=8).shape[0] == 4


def test_addresses_whose_images_are_there_find_them(tmp_path):
    folder = Path(class_folders(tmp_path / "set", {"ant": 2, "bee": 2}))
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))
    rows = (f"https://h.com/{name},{name[:3]}\n" for name in names)
    (tmp_path / "list.csv").write_text("image,label\n" + "".join(rows))
    result = api.build(folder, tmp_path / "out", size=8, labels=str(tmp_path / "list.csv"))
    assert result.shape[0] == 4
