"""Every kind of source builds the same bytes, whoever decodes, however often it is interrupted."""

import json
import os
import shutil

import pytest
from support.kinds import KINDS
from support.trees import snapshot

import imgmem
from imgmem.core.errors import Interrupted

READ_BY_PROCESSES = ("zip shards", "arrays", "folder of arrays", "several")


@pytest.fixture(params=list(KINDS))
def kind(request, tmp_path):
    return KINDS[request.param](tmp_path)


def build(kind, out, **options):
    return imgmem.build(kind.path, out, size="native", **kind.options, **options)


def interrupted(progress):
    if progress.done and progress.phase == "build":
        raise KeyboardInterrupt


def test_workers_and_interruptions_do_not_show_and_a_second_build_has_nothing_to_do(
    kind, tmp_path, monkeypatch
):
    result = build(kind, tmp_path / "plain", workers=1)
    assert result.shape == (7, 5, 6, 3)
    assert result.class_counts == {"ant": 4, "bee": 3}
    assert build(kind, tmp_path / "plain").already_done
    monkeypatch.setattr("imgmem.core.build.filling.TASK_BYTES", 1)
    with pytest.raises(Interrupted):
        build(kind, tmp_path / "resumed", workers=3, progress=interrupted)
    assert build(kind, tmp_path / "resumed", workers=3).resumed_at
    assert snapshot(tmp_path / "resumed") == snapshot(tmp_path / "plain")


def test_the_times_of_its_files_are_no_part_of_the_dataset(kind, tmp_path):
    build(kind, tmp_path / "before")
    for path in sorted(tmp_path.rglob("*")):
        if path.is_file() and tmp_path / "before" not in path.parents:
            os.utime(path, ns=(1, 1))
    build(kind, tmp_path / "after")
    assert snapshot(tmp_path / "after") == snapshot(tmp_path / "before")
    assert build(kind, tmp_path / "before").already_done


def test_an_update_copies_all_but_what_is_new(kind, tmp_path):
    build(kind, tmp_path / "out")
    shutil.copytree(tmp_path / "out", tmp_path / "before")
    lines = (tmp_path / "out/rows.csv").read_text().splitlines(keepends=True)
    path = lines[4].split(",")[4]
    lines[4] = lines[4].replace(path, "gone")
    (tmp_path / "out/rows.csv").write_text("".join(lines))
    record = json.loads((tmp_path / "out/dataset.json").read_text())
    record["build"]["identity"] = "that of a source with another image"
    (tmp_path / "out/dataset.json").write_text(json.dumps(record))
    result = build(kind, tmp_path / "out", update=True)
    assert (result.added, result.changed, result.removed, result.kept) == (1, 0, 1, 6)
    assert snapshot(tmp_path / "out") == snapshot(tmp_path / "before")
    assert build(kind, tmp_path / "out", update=True).already_done


def test_a_forecast_and_a_dry_run_find_the_same_images(kind, tmp_path):
    preview = imgmem.preview_build(kind.path, tmp_path / "out", size="native", **kind.options)
    forecast = imgmem.estimate(kind.path, **kind.options)
    assert preview.images == forecast.images.rows == 7
    assert preview.problem is None
    assert {each.name: each.images for each in preview.classes} == forecast.images.class_counts


@pytest.mark.parametrize("name", READ_BY_PROCESSES)
def test_processes_read_it(name, tmp_path):
    kind = KINDS[name](tmp_path)
    build(kind, tmp_path / "threads", executor="threads")
    build(kind, tmp_path / "processes", executor="processes", workers=1)
    assert snapshot(tmp_path / "processes") == snapshot(tmp_path / "threads")
