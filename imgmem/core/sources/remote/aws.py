"""How the AWS tools are configured: by the environment, and by files that boto3 reads."""

import os
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from imgmem.core.errors import UsageError

_IN_ENVIRONMENT = (
    "AWS_ACCESS_KEY_ID", "AWS_SKIP_SIGNATURE", "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)  # fmt: skip
"""Variables that credentials come from, which stand before those of files."""
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
_REGIONS = ("AWS_REGION", "AWS_DEFAULT_REGION")


def aws_options() -> dict[str, Any]:
    """What obstore has to be told of the configuration: it reads variables, but no files.

    Raises UsageError for a configuration that cannot be used.
    """
    if not _has_files():
        return {}
    in_environment = any(map(os.environ.get, _IN_ENVIRONMENT))
    options = {} if in_environment else {"credential_provider": _credentials()}
    profile = _profile()
    if not endpoint_in_environment() and profile.get("endpoint_url"):
        options["endpoint"] = _checked(profile["endpoint_url"])
    if not any(map(os.environ.get, _REGIONS)) and profile.get("region"):
        options["region"] = profile["region"]
    return options


def endpoint_in_environment() -> str:
    """The address of the server that the environment names, "" for none.

    Raises UsageError for one that is not an address.
    """
    found = next(filter(None, map(os.environ.get, _ENDPOINTS)), None)
    return _checked(found) if found else ""


def _checked(endpoint: str) -> str:
    with suppress(ValueError):
        parts = urlsplit(endpoint)
        if parts.scheme in ("http", "https") and parts.hostname:
            return endpoint
    raise UsageError(  # which may hold a login, and is not shown
        "the address of the store that AWS_ENDPOINT_URL or ~/.aws/config has is not a web address",
        hint="Set AWS_ENDPOINT_URL to one such as http://127.0.0.1:9000.",
    )


def _has_files() -> bool:
    home = os.path.expanduser("~/.aws")
    return any(
        os.path.exists(os.environ.get(variable, os.path.join(home, name)))
        for variable, name in (
            ("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
            ("AWS_CONFIG_FILE", "config"),
        )
    )


def _profile() -> dict[str, Any]:
    """The settings of the profile that AWS_PROFILE names; none where they cannot be read."""
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.session import get_session
    except ImportError:
        return {}
    try:
        return dict(get_session().get_scoped_config())
    except BotoCoreError:
        return {}


def _credentials() -> Any:
    try:
        from obstore.auth.boto3 import Boto3CredentialProvider
    except ImportError:
        raise UsageError(
            "the credentials in ~/.aws need the package boto3 to be read",
            hint="Install it (pip install boto3), or set AWS_ACCESS_KEY_ID and "
            "AWS_SECRET_ACCESS_KEY, or AWS_SKIP_SIGNATURE=true for a public bucket.",
        ) from None
    try:
        return Boto3CredentialProvider()
    except Exception as error:  # of botocore, which need not be installed
        raise UsageError(
            f"there are no credentials in ~/.aws: {type(error).__name__}",
            hint="Check AWS_PROFILE, or log in (aws sso login); AWS_SKIP_SIGNATURE=true is for a "
            "public bucket.",
        ) from None
