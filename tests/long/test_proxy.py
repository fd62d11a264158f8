"""The example of a proxy that ends TLS, run as it stands in the documentation but for names and ports."""

import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

pytestmark = pytest.mark.long

ROOT = Path(__file__).resolve().parents[2]


def _port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], environment: dict[str, str], cwd: Path) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.mark.timeout(600)
def test_the_proxy_of_the_documentation_carries_pages_forms_and_addresses(tmp_path: Path) -> None:
    nginx, openssl = shutil.which("nginx") or "/usr/sbin/nginx", shutil.which("openssl")
    if not Path(nginx).exists() or openssl is None:
        pytest.skip("no nginx or no openssl here")
    web, live, plain, secure = _port(), _port(), _port(), _port()
    tmp_path.chmod(0o755)
    subprocess.run(
        [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=gongzhi.example.org",
         "-addext", "subjectAltName=DNS:gongzhi.example.org,DNS:localhost", "-keyout", tmp_path / "key.pem", "-out", tmp_path / "chain.pem"],
        check=True, capture_output=True,
    )  # fmt: skip
    site = (ROOT / "docs" / "examples" / "nginx.conf").read_text(encoding="utf-8")
    site = site.replace("/etc/gongzhi/tls/", f"{tmp_path}/").replace("127.0.0.1:8000", f"127.0.0.1:{web}")
    site = site.replace("127.0.0.1:8001", f"127.0.0.1:{live}").replace("listen 80;", f"listen 127.0.0.1:{plain};")
    site = site.replace("listen 443 ssl;", f"listen 127.0.0.1:{secure} ssl;")
    site = site.replace("gongzhi.example.org;", "gongzhi.example.org localhost;")
    version = subprocess.run([nginx, "-v"], capture_output=True, text=True).stderr
    if tuple(map(int, re.findall(r"\d+", version)[:3])) < (1, 25, 1):  # `http2 on` is younger than some distributions
        site = site.replace("    http2 on;\n", "")
    whole = tmp_path / "nginx.conf"
    folders = "".join(
        f"  {kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    whole.write_text(
        f"daemon off;\npid {tmp_path}/pid;\nerror_log {tmp_path}/error.log;\nevents {{}}\nhttp {{\n{folders}  access_log off;\n{site}}}\n",
        encoding="utf-8",
    )
    assert subprocess.run([nginx, "-t", "-c", whole], capture_output=True).returncode == 0
    held = {name: value for name, value in os.environ.items() if not name.startswith(("GONGZHI_", "DATABASE_"))}
    held |= {
        "GONGZHI_HOME": str(tmp_path / "home"), "GONGZHI_HOSTS": "localhost", "GONGZHI_HTTPS": "1",
        "GONGZHI_PROXIES": "127.0.0.1", "GONGZHI_ORIGINS": f"https://localhost:{secure}",
    }  # fmt: skip
    (tmp_path / "home").mkdir()
    program = [sys.executable, "-m", "gongzhi.cli.main"]
    subprocess.run([*program, "init"], env=held, cwd=tmp_path, check=True, capture_output=True, timeout=300)
    trust = ssl.create_default_context(cafile=str(tmp_path / "chain.pem"))
    address = f"https://localhost:{secure}"
    with (
        _running([*program, "serve", "--port", str(web), "--workers", "1"], held, tmp_path),
        _running([nginx, "-c", str(whole)], held, tmp_path),
    ):
        for _ in range(600):
            with suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=5, context=trust):
                break
            time.sleep(0.1)
        with urllib.request.urlopen(f"{address}/report", timeout=20, context=trust) as page:
            assert page.status == 200
            cookie = page.headers["Set-Cookie"]
            assert "Secure" in cookie
            assert page.headers["Strict-Transport-Security"]
            token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.read().decode())
        assert token is not None
        sent = urllib.request.Request(
            f"{address}/signin", data=f"csrfmiddlewaretoken={token[1]}&login=nobody&password=wrong-password".encode(),
            headers={"Cookie": cookie.split(";")[0], "Referer": f"{address}/signin"},
        )  # fmt: skip
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(sent, timeout=20, context=trust)
        assert refused.value.code == 422  # a form, not the refusal of a foreign one (403)
        opener = urllib.request.build_opener(_NoRedirect)
        with pytest.raises(urllib.error.HTTPError) as moved:
            opener.open(f"http://localhost:{plain}/report", timeout=20)
        assert moved.value.code == 301
        assert moved.value.headers["Location"].startswith("https://")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None
