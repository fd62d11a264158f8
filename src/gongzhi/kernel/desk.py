"""Desks 工作台: folders of services. A folder below ``gongzhi.desks`` is a desk by being there; nothing lists them.

A desk of somebody else's is a package that ``GONGZHI_DESKS`` names (dotted names, separated by commas or spaces).
"""

import os
import pkgutil
from collections.abc import Iterable, Iterator
from importlib import import_module

_NO_SERVICES = ("migrations", "templates", "tests")


def desks(package: str) -> Iterator[str]:
    """Yield the desks: the folders of the package, and what ``GONGZHI_DESKS`` names."""
    for found in pkgutil.iter_modules(import_module(package).__path__):
        if found.ispkg:
            yield f"{package}.{found.name}"
    yield from os.environ.get("GONGZHI_DESKS", "").replace(",", " ").split()


def import_services(names: Iterable[str]) -> None:
    """Import every module of these desks, so that each service in them is entered."""
    for name in names:
        for found in pkgutil.iter_modules(import_module(name).__path__):
            if found.name not in _NO_SERVICES:
                import_module(f"{name}.{found.name}")
