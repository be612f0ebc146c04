"""The accounts file: the AWS accounts that SpotLab manages."""

from __future__ import annotations

from pathlib import Path

import msgspec

from spotlab.domain.ports import Account
from spotlab.errors import InvalidSetting

_REMEDY = (
    'It holds a JSON list: [{"name": "…", "aws_account_id": "123456789012", '
    '"role_arn": "arn:aws:iam::…:role/…", "external_id": "…", "regions": ["us-east-1"]}].'
)


class _AccountEntry(msgspec.Struct, forbid_unknown_fields=True):
    name: str
    aws_account_id: str
    regions: list[str]
    role_arn: str = ""
    external_id: str = ""


def read_accounts(path: Path | None) -> tuple[Account, ...]:
    """The accounts listed in SPOTLAB_ACCOUNTS_FILE.

    Raises:
        InvalidSetting: the setting is empty, the file cannot be read, or an entry is invalid;
            values are not repeated.
    """
    if path is None:
        raise InvalidSetting("SPOTLAB_AWS=account needs SPOTLAB_ACCOUNTS_FILE.", remedy=_REMEDY)
    try:
        entries = msgspec.json.decode(path.read_bytes(), type=list[_AccountEntry])
    except OSError as exc:
        raise InvalidSetting(
            f"SPOTLAB_ACCOUNTS_FILE {path}: {exc.strerror}.", remedy=_REMEDY
        ) from None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as exc:
        raise InvalidSetting(f"SPOTLAB_ACCOUNTS_FILE {path}: {exc}.", remedy=_REMEDY) from None
    for number, entry in enumerate(entries, start=1):
        valid_id = entry.aws_account_id.isdigit() and len(entry.aws_account_id) == 12
        if not (valid_id and entry.regions and entry.name):
            raise InvalidSetting(
                f"SPOTLAB_ACCOUNTS_FILE {path}: entry {number} needs a name, a 12-digit "
                "aws_account_id and at least one region.",
                remedy=_REMEDY,
            )
    return tuple(
        Account(e.name, e.aws_account_id, e.role_arn, e.external_id, tuple(e.regions))
        for e in entries
    )
