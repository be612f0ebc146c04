"""The role that an account gives SpotLab: templates to copy, and its external id."""

from __future__ import annotations

import json
from typing import Final

import streamlit as st

from spotlab.aws.onboarding import RoleTemplate
from spotlab.aws.permissions import Access
from spotlab.domain.access import Right
from spotlab.domain.ports import Account
from spotlab.errors import SpotlabError
from spotlab.ui.accounts import validation
from spotlab.ui.common import errors, formatting, one_time_secret, permissions, session

EXTERNAL_ID: Final = "external-id"
_NOTE: Final = "It is not shown again; rotate it if it is lost."


def keep_external_id(name: str, external_id: str) -> None:
    """Show a new external id from the next run on, once."""
    one_time_secret.save(f"{EXTERNAL_ID} {name}", f"External id for {name}:", external_id, _NOTE)


def show_external_id(name: str) -> None:
    """Shows an account's new external id, if one was just generated."""
    one_time_secret.show(f"{EXTERNAL_ID} {name}")


def show_templates(name: str, access: Access) -> None:
    """Shows the role's templates, or a form for the identity that SpotLab runs as."""
    key = f"role {name} {access.value}"
    template: RoleTemplate | None = st.session_state.get(key)
    if template is None:
        st.text_input(
            "Identity that SpotLab runs as (ARN); leave empty to ask AWS",
            key=f"principal {name}",
            max_chars=600,
        )
        st.button(
            "Show the role",
            icon=":material/description:",
            key=f"show {key}",
            on_click=load,
            args=(name, access),
            disabled=permissions.why_not(Right.CHANGE_ACCOUNTS) is not None,
            help=permissions.why_not(Right.CHANGE_ACCOUNTS),
        )
        return
    cloudformation, terraform, policy, trust, meaning = st.tabs(
        ["CloudFormation", "Terraform", "IAM policy", "Trust policy", "What it allows"]
    )
    with cloudformation:
        st.caption("Create a stack from this file; its parameter ExternalId is the external id.")
        _snippet(template.cloudformation(), "yaml", "spotlab-role.yaml", key)
    with terraform:
        st.caption("Set the variable spotlab_external_id to the external id.")
        _snippet(template.terraform(), "hcl", "spotlab-role.tf", key)
    with policy:
        _snippet(json.dumps(template.policy(), indent=2), "json", "spotlab-policy.json", key)
    with trust:
        st.caption("Replace EXTERNAL_ID with the external id.")
        _snippet(json.dumps(template.trust_policy(), indent=2), "json", "spotlab-trust.json", key)
        st.caption("The identity that SpotLab runs as needs this policy:")
        st.code(json.dumps(template.caller_policy(), indent=2), language="json")
    with meaning:
        st.markdown("\n".join(f"- {formatting.plain(each)}" for each in template.explanation()))


def load(name: str, access: Access) -> None:
    """Make the templates of an account, for the identity entered, or the one that AWS tells."""
    principal = str(st.session_state.get(f"principal {name}", "")).strip()
    try:
        template = session.services().onboarding.template(name, access, principal)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    st.session_state[f"role {name} {access.value}"] = template


def _snippet(text: str, language: str, file_name: str, key: str) -> None:
    st.download_button(
        f"Download {file_name}",
        text,
        file_name,
        icon=":material/download:",
        key=f"{file_name} {key}",
        on_click="ignore",
    )
    st.code(text, language=language, height=360)


def show_role(account: Account) -> None:
    """Shows the role of an account; needs the full width."""
    with st.expander("Role and policies", icon=":material/policy:"):
        show_templates(account.name, validation.pick_access(f"role-access {account.name}"))


def show_rotation(account: Account) -> None:
    """Shows the rotation of an account's external id, if it has one that SpotLab stores."""
    if account.from_settings or not account.role_arn:
        return
    with st.expander(
        "Rotate the external id", icon=":material/key:", expanded=bool(account.pending_external_id)
    ):
        _show_rotation(account)


def _show_rotation(account: Account) -> None:
    name = account.name
    show_external_id(name)
    if not account.pending_external_id:
        st.write("SpotLab generates a new one. The current one stays in use until you confirm.")
        st.button("Rotate", key=f"rotate {name}", on_click=_rotate, args=(name,))
        return
    st.write(
        "Put the new external id into the role's trust policy, then confirm. Until then the "
        "current one stays in use."
    )
    with st.container(horizontal=True):
        st.button("Confirm", type="primary", key=f"confirm {name}", on_click=_confirm, args=(name,))
        st.button("Cancel rotation", key=f"cancel {name}", on_click=_cancel, args=(name,))


def _rotate(name: str) -> None:
    try:
        rotated = session.services().onboarding.rotate(name)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    keep_external_id(name, rotated.external_id)


def _confirm(name: str) -> None:
    try:
        session.services().onboarding.confirm_rotation(name)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    one_time_secret.forget(f"{EXTERNAL_ID} {name}")


def _cancel(name: str) -> None:
    try:
        session.services().onboarding.cancel_rotation(name)
    except SpotlabError as exc:
        errors.explain(exc)
        return
    one_time_secret.forget(f"{EXTERNAL_ID} {name}")
