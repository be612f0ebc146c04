"""The AWS operations that modules call, found in their source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, get_args

import botocore.session
from botocore import xform_name

from spotlab.aws.session import Service

SERVICES: Final[tuple[str, ...]] = get_args(Service)


@cache
def operations() -> dict[str, dict[str, str]]:
    """By boto3's name of an operation: AWS's name of it, by service."""
    core = botocore.session.get_session()
    found: dict[str, dict[str, str]] = {}
    for service in SERVICES:
        for name in core.get_service_model(service).operation_names:
            found.setdefault(xform_name(name), {})[service] = name
    return found


@cache
def waiters() -> dict[str, dict[str, str]]:
    """By boto3's name of a waiter: boto3's name of the operation that it calls, by service."""
    core = botocore.session.get_session()
    found: dict[str, dict[str, str]] = {}
    for service in SERVICES:
        try:
            model = core.get_waiter_model(service)
        except Exception:  # a service without waiters
            continue
        for name in model.waiter_names:
            operation = xform_name(model.get_waiter(name).operation)
            found.setdefault(xform_name(name), {})[service] = operation
    return found


def calls_in(path: Path) -> set[str]:
    """The calls of a module, such as "ec2.describe_instances".

    Found are methods of a client, called or passed on, and names of operations and waiters in
    strings: `ec2.get_paginator("describe_instances")`.

    Raises:
        AssertionError: a name belongs to several services and the module does not say to which, or
            an operation's name is calculated.
    """
    tree = ast.parse(path.read_text())
    docstrings = {id(each) for each in _docstrings(tree)}
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            found |= _of_name(path, node, node.attr, ast.unparse(node.value))
        elif (
            isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
            and re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)+", node.value)
        ):
            found |= _of_name(path, node, node.value, "")
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in ("get_paginator", "get_waiter")
        ):
            _refuse_calculated_name(path, node)
    return found


def _of_name(path: Path, node: ast.AST, name: str, receiver: str) -> set[str]:
    if name in operations():
        service = _service(path, node, set(operations()[name]), receiver)
        return {f"{service}.{name}"}
    if name in waiters() and not receiver:
        service = _service(path, node, set(waiters()[name]), receiver)
        return {f"{service}.{waiters()[name][service]}"}
    return set()


def _service(path: Path, node: ast.AST, services: set[str], receiver: str) -> str:
    if len(services) == 1:
        return services.pop()
    text = path.read_text()
    named = {each for each in services if re.search(rf"\b_?{each}\b", receiver)}
    used = {each for each in services if f'client("{each}"' in text}
    chosen = named or used
    line = getattr(node, "lineno", 0)
    assert len(chosen) == 1, f"{path.name}:{line}: which service? {sorted(chosen or services)}"
    return chosen.pop()


def _refuse_calculated_name(path: Path, call: ast.Call) -> None:
    """A name passed as an argument is found as a string where it is passed."""
    first = call.args[0] if call.args else None
    named = isinstance(first, (ast.Constant, ast.Name)) or (
        isinstance(first, ast.IfExp)
        and isinstance(first.body, ast.Constant)
        and isinstance(first.orelse, ast.Constant)
    )
    assert named, f"{path.name}:{call.lineno}: write the name of the operation as a string"


def _docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            yield node.value
