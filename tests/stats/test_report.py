"""`stats --report`: one page, complete in itself, that shows what the statistics say."""

import re
from base64 import b64decode
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from support import program
from support.datasets import write_dataset
from support.images import photo
from support.trees import class_folders

import imgmem
from imgmem import BuildSpec, ImageSpec
from imgmem.core.errors import UsageError
from imgmem.core.stats import gallery
from imgmem.core.stats.report import write_report
from imgmem.core.storage.record import Normalization

VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}


class Page(HTMLParser):
    """Every start tag with its attributes; fails on tags that are not closed in order."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.open, self.words, self.glued = [], [], [], False
        self.text = path.read_text()
        self.feed(self.text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        self.glued = tag == "wbr"

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "title"):
            self.words.append(self.words.pop() + data if self.glued else data)
        self.glued = False

    def of(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]

    def shows(self, text):
        return text in re.sub(r"\s+", " ", " ".join(self.words))


def photos(count, side=48):
    return np.stack([photo(side, side, seed) for seed in range(count)])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    images = photos(12)
    images[9] = images[2]
    images[4] = 0
    return write_dataset(
        tmp_path_factory.mktemp("report") / "birds & <b>bees",
        images,
        [0] * 7 + [1] * 5,
        classes=["<script>alert(1)</script>", "bee\u202e"],
        splits={"train": (0, 8), "val": (8, 12)},
        names=[f"a/{row}<img src=x>.png" for row in range(12)],
        digests=[*range(9), 2, 10, 11],
    )


@pytest.fixture(scope="module")
def page(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("page") / "report.html"
    write_report(imgmem.stats(dataset), str(out))
    return Page(out)


def test_the_page_needs_no_other_file(page):
    sources = [image["src"] for image in page.of("img")]
    assert sources
    assert all(source.startswith("data:image/jpeg;base64,") for source in sources)
    assert page.of("script") == page.of("link") == page.of("iframe") == []
    assert not re.search(r"url\(|@import|https?://", page.text)


def test_names_are_text_and_never_markup(page):
    assert page.shows("<script>alert(1)</script>")
    assert page.shows("birds & <b>bees")
    assert page.of("b") == [{}] * len(page.of("b"))
    assert "\u202e" not in page.text
    assert page.shows("bee\\u202e")


def test_the_page_tells_counts_and_channels(page):
    for text in ("12 × 48 × 48 × 3 uint8", "train", "val", "None: the values are pixel values."):
        assert page.shows(text)
    assert len(page.of("polygon")) == 9


def test_options_read_as_words_and_those_not_given_are_left_out(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 4, "b": 4})
    spec = BuildSpec(image=ImageSpec(size=(8, 9)), splits=(("train", 0.5), ("val", 0.5)))
    imgmem.build(source, tmp_path / "set", spec=spec)
    stats = imgmem.stats(tmp_path / "set")
    write_report(stats, str(tmp_path / "set.html"))
    words = Page(tmp_path / "set.html").words
    assert "train 0.5, val 0.5" in words
    assert "8, 9" in words
    assert "None" not in words


def test_every_link_leads_somewhere(page):
    targets = {attributes.get("id") for _, attributes in page.tags}
    links = [link["href"].removeprefix("#") for link in page.of("a")]
    assert {"leaks", "conflicts", "duplicates", "blank"} <= set(links) <= targets


def test_findings_are_shown_with_their_paths(page):
    assert page.shows("a/9<img src=x>.png")
    assert page.shows("row 9, val")


def test_every_image_has_a_text_for_those_who_cannot_see_it(page):
    assert all(image.get("alt") for image in page.of("img"))


def test_the_same_dataset_gives_the_same_page(dataset, tmp_path):
    stats = imgmem.stats(dataset)
    for name in ("a", "b"):
        write_report(stats, str(tmp_path / name))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_mean_images_are_the_means_of_the_classes(dataset, monkeypatch):
    import imgmem

    images, labels = np.load(dataset / "X.npy"), np.load(dataset / "y.npy")
    with imgmem.open(dataset) as opened:
        means = gallery.mean_images(opened, [0, 1], workers=2)
        monkeypatch.setattr(gallery, "WINDOW_BYTES", 1)
        assert gallery.mean_images(opened, [0, 1], workers=1) == means
    for label in (0, 1):
        data = np.frombuffer(b64decode(means[label].partition(",")[2]), np.uint8)
        shown = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        error = np.abs(shown - images[labels == label].mean(0)).mean()
        assert error < 8  # JPEG


def test_normalized_gray_unlabeled_datasets_have_a_page_too(tmp_path):
    done = Normalization(
        method="given", offset=(99.0,), scale=(0.02,), dtype="float32", source_dtype="uint8"
    )
    values = ((photos(5)[..., :1] - 99.0) * 0.02).astype(np.float32)
    path = write_dataset(tmp_path / "set", values, normalization=done)
    write_report(imgmem.stats(path), str(tmp_path / "page.html"))
    page = Page(tmp_path / "page.html")
    assert page.shows("given")
    assert len(page.of("polygon")) == 1
    assert not page.shows("Images by class")


def test_a_split_has_a_page_of_its_own(dataset, tmp_path):
    write_report(imgmem.stats(dataset, split="val"), str(tmp_path / "page.html"))
    assert Page(tmp_path / "page.html").shows("the split val only")


def test_reports_are_not_written_into_the_dataset_or_over_folders(dataset, tmp_path):
    stats = imgmem.stats(dataset)
    with pytest.raises(UsageError, match="inside the dataset"):
        write_report(stats, f"{dataset}/report.html")
    with pytest.raises(UsageError, match="is a folder"):
        write_report(stats, str(tmp_path))


def test_the_command_writes_it(dataset, tmp_path):
    command = ["stats", str(dataset), "--report", str(tmp_path / "x.html"), "-q"]
    assert program.imgmem(*command).returncode == 0
    assert (tmp_path / "x.html").read_text().startswith("<!doctype html>")


def test_rejected_files_are_listed_by_name_and_reason(tmp_path):
    source = class_folders(tmp_path / "src", {"a": 3})
    (source / "a/broken_<b>.png").write_bytes((source / "a/00.png").read_bytes()[:90])
    imgmem.build(source, tmp_path / "set", size=8, on_error="skip")
    write_report(imgmem.stats(tmp_path / "set"), str(tmp_path / "page.html"))
    page = Page(tmp_path / "page.html")
    assert page.shows("a/broken_<b>.png")
    assert page.shows("truncated")
    assert page.shows("Rejected files 1")


def test_names_can_be_broken_where_their_parts_end(page):
    assert "a/<wbr>9" in page.text


def test_no_text_is_cut(page):
    assert "ellipsis" not in page.text
    assert not any("nowrap" in line for line in page.text.splitlines() if "fig" in line)


def test_a_pair_is_shown_once(page):
    assert page.text.count(">row 9, val<") == 2  # as a leak, and in the strip of its class
    assert page.shows("1 of them is shown above.")


def test_histograms_have_an_axis(page):
    axes = page.text.count('<div class="axis"><span>0</span>')
    assert axes == page.text.count("<svg")
