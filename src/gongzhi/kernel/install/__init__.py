"""Bringing a database to this release: migrate, generate, grant, load the city. One command, safe to repeat."""

from gongzhi.kernel.install.run import InstallError, Roles, install, installed

__all__ = ["InstallError", "Roles", "install", "installed"]
