"""moto made true to AWS where it is not.

What is replaced, and why, is written beside each replacement, here and in the ec2_*.py modules.
moto's insides are no public interface: its version is pinned, and checked before patching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from typing import Any, Final

from moto import settings
from moto.core import errors
from moto.ec2.models import ec2_backends
from moto.ec2.responses import EC2Response
from moto.iam.models import iam_backends
from moto.moto_server import werkzeug_app
from moto.sts.exceptions import STSClientError
from moto.sts.models import STSBackend, sts_backends

from spotlab.demo.ec2_catalogue import patch_catalogue
from spotlab.demo.ec2_history import price_history
from spotlab.demo.ec2_lifecycle import patch_lifecycle
from spotlab.demo.ec2_placement import placement_scores
from spotlab.demo.fleet import seed_fleet
from spotlab.demo.patcher import Patches
from spotlab.demo.world import BASE_ACCOUNT_ID, World
from spotlab.errors import NotAvailable

MOTO_VERSION: Final = "5.2.1"


@contextmanager
def emulated(world: World) -> Iterator[None]:
    """moto as the world's AWS, with its fleet and nothing else in it; undone on leaving.

    Raises:
        NotAvailable: another version of moto than the one these patches were written for.
    """
    if version("moto") != MOTO_VERSION:
        raise NotAvailable(
            f"The emulated AWS is made for moto {MOTO_VERSION}, and {version('moto')} is here.",
            remedy="Install the locked versions: make setup.",
        )
    with ExitStack() as stack:
        patches = Patches(stack)
        # a page in a browser must not be able to talk to the emulated AWS
        patches.attribute(werkzeug_app, "DISABLE_GLOBAL_CORS", True)
        patches.attribute(STSBackend, "assume_role", _assume_role(world))
        # else moto warns that STS's own model does not list the code
        known = [*errors.COMMON_ERROR_CODES, "AccessDenied"]
        patches.attribute(errors, "COMMON_ERROR_CODES", known)
        patches.attribute(EC2Response, "describe_spot_price_history", price_history(world))
        patches.attribute(EC2Response, "get_spot_placement_scores", placement_scores(world))
        patches.attribute(settings, "ENABLE_AMI_VALIDATION", True)
        patches.attribute(settings, "ec2_load_default_amis", lambda: False)
        patch_catalogue(patches)
        stack.callback(_forget)
        _forget()
        seed_fleet(world)
        _know_keys(world)
        # after the fleet, which has been running for long
        patch_lifecycle(patches, world)
        yield


def _forget() -> None:
    """Drop every backend; moto's own reset would build each anew."""
    for backends in (ec2_backends, iam_backends, sts_backends):
        backends.clear()


def _know_keys(world: World) -> None:
    for account in world.accounts:
        iam = iam_backends[account.account_id]["aws"]
        iam.access_keys[account.access_key_id] = iam.create_temp_access_key()


def _assume_role(world: World) -> Callable[..., Any]:
    """AssumeRole that knows its roles and checks the ExternalId; moto gives any role to anyone."""
    assume = STSBackend.assume_role
    accounts = {account.role_arn: account for account in world.accounts}

    def assume_role(self: Any, *, role_arn: str, external_id: str, **kwargs: Any) -> Any:
        account = accounts.get(role_arn)
        if account is None or external_id != account.external_id:
            raise STSClientError(
                "AccessDenied",
                f"User: arn:aws:iam::{BASE_ACCOUNT_ID}:user/spotlab is not authorized to perform: "
                f"sts:AssumeRole on resource: {role_arn}",
            )
        role = assume(self, role_arn=role_arn, external_id=external_id, **kwargs)
        role.access_key_id = account.access_key_id
        return role

    return assume_role
