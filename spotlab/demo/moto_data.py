"""Keeps moto from reading the instance types and offerings that the emulated AWS lacks.

moto reads those of all regions when it is imported: 110 MB, and most of the time of the import.
`ec2_catalogue` replaces all offerings, and all types but those of the simulated market. To be
imported before moto's EC2; later it has no effect.
"""

from __future__ import annotations

from typing import Any, Final

from moto.utilities import utils

from spotlab.demo.catalogue import TYPES

_load: Final = utils.load_resource
_NAMES: Final = frozenset(spec.name for spec in TYPES)


def _load_resource(package: str, resource: str) -> Any:
    if "/instance_type_offerings/" in resource:
        return []
    content = _load(package, resource)
    if resource.endswith("/instance_types.json"):
        return {name: content[name] for name in content if name in _NAMES}
    return content


utils.load_resource = _load_resource
