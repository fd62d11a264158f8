"""Settings that the pages need; ``gongzhi.settings`` takes them over as they stand.

The content security policy names no ``unsafe-*`` and no host but our own. The address of the live events (another port of
the same machine) is the one exception, and only where it is set.
"""

import os
from typing import Any
from urllib.parse import urlsplit

from django.utils.csp import CSP

LIVE_URL = os.environ.get("GONGZHI_LIVE_URL", "")
HTTPS = os.environ.get("GONGZHI_HTTPS", "") == "1"
PROXIES = frozenset(os.environ.get("GONGZHI_PROXIES", "").replace(",", " ").split())
"""Addresses of the proxies whose X-Forwarded-For is believed."""

ROOT_URLCONF = "gongzhi.web.urls"
WSGI_APPLICATION = "gongzhi.web.wsgi.application"
APPEND_SLASH = False

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.middleware.csp.ContentSecurityPolicyMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "gongzhi.web.guard.SizeGuard",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.template.context_processors.csp",
            ],
            "builtins": [
                "django.templatetags.static",
                "django.templatetags.i18n",
                "gongzhi.web.templatetags.gz",
                "gongzhi.web.templatetags.language",
                "gongzhi.web.templatetags.rows",
            ],
        },
    }
]

_LIVE = "{0.scheme}://{0.netloc}".format(urlsplit(LIVE_URL)) if "://" in LIVE_URL else ""
SECURE_CSP: dict[str, Any] = {
    "default-src": [CSP.NONE],
    "script-src": [CSP.SELF, CSP.NONCE],
    "style-src": [CSP.SELF, CSP.NONCE],
    "img-src": [CSP.SELF, "data:", "blob:"],
    "font-src": [CSP.SELF],
    "connect-src": [CSP.SELF, *([_LIVE] if _LIVE else [])],
    "worker-src": [CSP.SELF],
    "manifest-src": [CSP.SELF],
    "form-action": [CSP.SELF],
    "base-uri": [CSP.NONE],
    "frame-ancestors": [CSP.NONE],
}

LANGUAGE_COOKIE_NAME = "gongzhi_language"
LANGUAGE_COOKIE_AGE = 365 * 24 * 3600
LANGUAGE_COOKIE_HTTPONLY = True
LANGUAGE_COOKIE_SAMESITE = "Lax"
LANGUAGE_COOKIE_SECURE = HTTPS

STATIC_URL = "/static/"
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},  # nothing is kept there: files have the vault
    "staticfiles": {"BACKEND": "gongzhi.web.storage.VersionedStorage"},
}
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600
WHITENOISE_ALLOW_ALL_ORIGINS = False
WHITENOISE_MIMETYPES = {".mjs": "text/javascript", ".geojson": "application/json"}

SESSION_ENGINE = "django.contrib.sessions.backends.db"
SESSION_COOKIE_NAME = "gongzhi"
SESSION_COOKIE_AGE = 12 * 3600
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = HTTPS
CSRF_COOKIE_NAME = "gongzhi_csrf"
CSRF_COOKIE_HTTPONLY = True
CSRF_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_SECURE = HTTPS
CSRF_FAILURE_VIEW = "gongzhi.web.errors.forbidden_form"
CSRF_TRUSTED_ORIGINS = os.environ.get("GONGZHI_ORIGINS", "").replace(",", " ").split()
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if PROXIES and HTTPS else None
SECURE_REFERRER_POLICY = "same-origin"
SECURE_CONTENT_TYPE_NOSNIFF = True
X_FRAME_OPTIONS = "DENY"

DATA_UPLOAD_MAX_MEMORY_SIZE = 2 * 2**20  # bytes of everything but files
DATA_UPLOAD_MAX_NUMBER_FIELDS = 400
DATA_UPLOAD_MAX_NUMBER_FILES = 20
BODY_MOST = 64 * 2**20
"""Bytes of a whole request, files included; the vault's own limits are lower."""
FORM_RENDERER = "django.forms.renderers.DjangoTemplates"

LOGGING: dict[str, Any] = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "()": "gongzhi.kernel.masking.MaskedLines",
            "format": "{asctime} {levelname} {name}: {message}",
            "style": "{",
        }
    },
    "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "line"}},
    "loggers": {
        "django": {"handlers": ["stderr"], "level": "ERROR", "propagate": False},
        "procrastinate": {"handlers": [], "level": "CRITICAL", "propagate": False},  # it raises what it logs
        "gongzhi": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
    },
}
