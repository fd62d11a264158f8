"""Django settings. Everything that differs between installations comes from the environment or from GONGZHI_HOME.

``DATABASE_URL`` names the application's role, ``DATABASE_OWNER_URL`` the owner's. The command line sets both to the
embedded server when they are missing; a process that needs no database (``gongzhi services``) runs without them.
"""

import os
from pathlib import Path

from gongzhi.home import city, home, secret
from gongzhi.kernel.city import read_city
from gongzhi.kernel.desk import desks
from gongzhi.postgres.urls import connection_settings
from gongzhi.tongue import FOLDER, LANGUAGES  # noqa: F401
from gongzhi.web.config import *  # noqa: F403  (the pages' own settings, as they stand)

HOME: Path = home()
SECRET_KEY = secret("django")
DEBUG = False
ALLOWED_HOSTS = os.environ.get("GONGZHI_HOSTS", "localhost,127.0.0.1,[::1]").split(",")

DESKS = list(desks("gongzhi.desks"))
INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "django_htmx",
    "ninja",
    "procrastinate.contrib.django",
    "gongzhi.kernel",
    "gongzhi.channels",
    "gongzhi.intake",
    *DESKS,
    "gongzhi.web",
]

_OPTIONS = {"server_side_binding": True, "prepare_threshold": 3}
DATABASES = {
    "default": connection_settings(os.environ.get("DATABASE_URL", ""), options=_OPTIONS),
    "owner": connection_settings(os.environ.get("DATABASE_OWNER_URL", ""), options={}),
}
DATABASE_ROUTERS = ["gongzhi.kernel.nowhere.Nowhere"]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

CITY = city()
_said = read_city(CITY)
LANGUAGE_CODE = _said.language
LOCALE_PATHS = [FOLDER]
TIME_ZONE = _said.time_zone
USE_TZ = True
USE_I18N = True
