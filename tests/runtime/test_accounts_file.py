"""The accounts file is read completely, or rejected without repeating its content."""

from __future__ import annotations

from pathlib import Path

import pytest

from spotlab.errors import InvalidSetting
from spotlab.runtime.accounts_file import read_accounts

ACCOUNT = b'{"name": "acme", "aws_account_id": "123456789012", "regions": ["us-east-1"]'


def test_accounts_are_read(tmp_path: Path) -> None:
    path = tmp_path / "accounts.json"
    path.write_bytes(b"[" + ACCOUNT + b"}]")

    [account] = read_accounts(path)

    assert (account.name, account.aws_account_id) == ("acme", "123456789012")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"\xff",
        b"[" + ACCOUNT + b', "role_arn": "\xff"}]',
        b"[" + ACCOUNT + b', "more": ' + b"[" * 100_000,
        b'[{"name": "hush", "aws_account_id": "12", "regions": ["us-east-1"]}]',
    ],
    ids=["empty", "no list", "no text", "text that is none", "deep", "no account id"],
)
def test_what_is_no_list_of_accounts_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "accounts.json"
    path.write_bytes(content)

    with pytest.raises(InvalidSetting) as caught:
        read_accounts(path)

    assert "hush" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"none\.json"):
        read_accounts(tmp_path / "none.json")
