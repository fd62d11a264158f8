"""A KMS that wraps the key file's keys: the Transit engine of HashiCorp Vault and of OpenBao, over its HTTP API.

``GONGZHI_KMS`` names the key in it, ``https://HOST:8200/v1/MOUNT/KEY``; ``GONGZHI_KMS_TOKEN_FILE`` the file of a token that may
``update`` ``MOUNT/encrypt/KEY`` and ``MOUNT/decrypt/KEY``. Only https, or http to this very machine (an agent beside us).
Requests and answers are those of the Transit API: ``plaintext`` is Base64, ``ciphertext`` begins with ``vault:v``.
"""

import base64
import json
import os
import re
from functools import lru_cache
from typing import Any
from urllib.error import HTTPError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, ProxyHandler, Request, build_opener

from django.utils.translation import gettext as _

URL = "GONGZHI_KMS"
TOKEN_FILE = "GONGZHI_KMS_TOKEN_FILE"  # noqa: S105 (the name of a variable)
_WRAPPED = re.compile(r"vault:v\d+:[A-Za-z0-9+/=]+")
_HERE = ("localhost", "127.0.0.1", "::1")
_PATIENCE = 5.0
_LONGEST = 64_000


class KmsError(Exception):
    """The KMS cannot be asked, or does not do it; the sentence says why."""


class _Stay(HTTPRedirectHandler):
    def redirect_request(self, *_args: Any, **_more: Any) -> None:
        """Follow nobody elsewhere with the token."""


def configured() -> bool:
    """Return whether the installation has a KMS."""
    return bool(os.environ.get(URL))


def is_wrapped(text: str) -> bool:
    """Return whether a key stands in the file as a KMS wrapped it."""
    return text.startswith("vault:")


def wrap(key: bytes) -> str:
    """Return the key as the KMS wraps it. Raises KmsError."""
    answer = _ask("encrypt", {"plaintext": base64.b64encode(key).decode()})
    text = answer.get("ciphertext")
    if not isinstance(text, str) or not _WRAPPED.fullmatch(text):
        raise KmsError(_("密钥管理系统的回答看不懂。"))
    return text


@lru_cache(maxsize=64)
def unwrap(text: str) -> bytes:
    """Return the key that the KMS wrapped; asked once for each while the process lives. Raises KmsError."""
    if not configured():
        raise KmsError(_("密钥文件由密钥管理系统封装，但没有设置 GONGZHI_KMS。"))
    answer = _ask("decrypt", {"ciphertext": text})
    try:
        return base64.b64decode(answer["plaintext"], validate=True)
    except (KeyError, TypeError, ValueError) as error:
        raise KmsError(_("密钥管理系统的回答看不懂。")) from error


def _ask(what: str, said: dict[str, str]) -> dict[str, Any]:
    address = _address(what)
    request = Request(  # noqa: S310 (the scheme has been looked at)
        address,
        json.dumps(said).encode(),
        {"X-Vault-Token": _token(), "Content-Type": "application/json"},
        method="POST",
    )
    try:
        with build_opener(_Stay, ProxyHandler({})).open(request, timeout=_PATIENCE) as answer:
            data = json.loads(answer.read(_LONGEST))["data"]
            return dict(data)
    except HTTPError as error:
        raise KmsError(
            _("密钥管理系统拒绝了请求（{code}）。请检查 GONGZHI_KMS 和令牌的权限。").format(code=error.code)
        ) from None
    except OSError as error:
        why = getattr(error, "reason", error)
        raise KmsError(_("连不上密钥管理系统 {host}：{why}").format(host=urlsplit(address).hostname, why=why)) from None
    except (KeyError, TypeError, ValueError) as error:
        raise KmsError(_("密钥管理系统的回答看不懂。")) from error


def _address(what: str) -> str:
    named = os.environ.get(URL, "")
    try:
        parts = urlsplit(named)
        good = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _HERE)
    except ValueError:
        good = False
    mount, _slash, name = named.rpartition("/")
    if not good or not re.fullmatch(r"[\w.-]+", name) or urlsplit(mount).path in ("", "/"):
        raise KmsError(_("GONGZHI_KMS 应写成 https://HOST:8200/v1/transit/KEY。"))
    return f"{mount}/{what}/{name}"


def _token() -> str:
    path = os.environ.get(TOKEN_FILE, "")
    try:
        with open(path, encoding="ascii") as file:  # noqa: PTH123 (an empty name is told as a missing file)
            token = file.read(1000).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise KmsError(_("读不到密钥管理系统的令牌。请检查 GONGZHI_KMS_TOKEN_FILE。")) from error
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise KmsError(_("读不到密钥管理系统的令牌。请检查 GONGZHI_KMS_TOKEN_FILE。"))
    return token
