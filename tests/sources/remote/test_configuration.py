"""Stores are configured as their own tools are, and no secret is shown."""

from pathlib import Path

import pytest
from support.stores import BUCKET, SECRET
from support.trees import class_folders

import imgmem as api
from imgmem.core.errors import UsageError


@pytest.fixture
def address(tmp_path, stored):
    return stored(Path(class_folders(tmp_path / "set", {"ant": 2, "bee": 2})))


@pytest.fixture
def unset(monkeypatch):
    """No variable says where the store is, or who asks."""
    for name in ("ENDPOINT_URL", "ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "REGION"):
        monkeypatch.delenv(f"AWS_{name}")


@pytest.fixture
def profile(proxy, tmp_path, monkeypatch):
    """Files of the AWS tools that say it for the profile `work`."""
    pytest.importorskip("boto3")
    (tmp_path / "config").write_text(
        f"[profile work]\nregion = eu-north-1\nendpoint_url = http://127.0.0.1:{proxy.port}\n"
    )
    (tmp_path / "credentials").write_text(
        f"[work]\naws_access_key_id = worker\naws_secret_access_key = {SECRET}\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))


def signers(proxy):
    """Who signed the requests, and for which region."""
    return {tuple(each.split("=")[1].split("/")[::2][:2]) for each in proxy.signatures}


def test_a_profile_says_who_where_and_which_region(
    address, proxy, unset, profile, tmp_path, monkeypatch
):
    monkeypatch.setenv("AWS_PROFILE", "work")
    api.build(address, tmp_path / "out", size=8)
    assert signers(proxy) == {("worker", "eu-north-1")}
    for path in (tmp_path / "out").iterdir():
        assert SECRET.encode() not in path.read_bytes()


def test_variables_stand_before_it(address, proxy, profile, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "work")
    api.build(address, tmp_path / "out", size=8)
    assert signers(proxy) == {("someone", "us-east-1")}


def test_a_profile_that_is_not_there_is_said(address, unset, profile, tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "play")
    with pytest.raises(UsageError, match="ProfileNotFound"):
        api.build(address, tmp_path / "out", size=8)


@pytest.mark.parametrize(
    "endpoint", ["127.0.0.1:9000", f"me:{SECRET}@host:9000", "s3.local", "'x'"]
)
def test_an_endpoint_without_its_scheme_is_said(address, tmp_path, monkeypatch, endpoint):
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    with pytest.raises(UsageError, match="is not a web address") as caught:
        api.build(address, tmp_path / "out", size=8)
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.facts}"


SECRETLY = f"s3://me:{SECRET}@{BUCKET}/x"


@pytest.mark.parametrize(
    "call",
    [
        api.open,
        api.stats,
        api.normalize,
        lambda path: api.normalize("images", to=path),
        api.sample,
        lambda path: api.sample("images", out=path),
        lambda path: api.build("images", path),
        lambda path: api.preview_build("images", path),
        lambda path: api.build("images", "out", classes=path),
        lambda path: api.build("images", "out", like=path),
        lambda path: api.build("images", "out", include=f"@{path}"),
        lambda path: api.build("images", "out", class_map=f"@{path}"),
        lambda path: api.build("images", "out", split=f"like:{path}"),
        lambda path: api.normalize("images", stats_from=path),
    ],
)
def test_what_has_to_be_local_is_said_to_be_without_the_login(call, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "images", {"ant": 1, "bee": 1})
    with pytest.raises(UsageError, match="is an address, not a path") as caught:
        call(SECRETLY)
    assert SECRET not in f"{caught.value} {caught.value.hint} {caught.value.facts}"
