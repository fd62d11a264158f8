"""The Transit engine of a KMS, as far as its API says encrypt and decrypt: ``python transit_server.py TOKEN``; prints its port."""

import base64
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY = AESGCM(bytes(range(32)))


class Transit(BaseHTTPRequestHandler):
    """Answers as the API's documentation shows it."""

    def do_POST(self) -> None:
        said = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.headers.get("X-Vault-Token") != sys.argv[1]:
            return self._answer(403, {"errors": ["permission denied"]})
        if self.path == "/v1/transit/moved/encrypt/city":
            self.send_response(307)
            self.send_header("Location", "http://127.0.0.1:9/v1/transit/encrypt/city")
            self.end_headers()
            return None
        if self.path == "/v1/transit/encrypt/city":
            nonce = os.urandom(12)
            sealed = nonce + KEY.encrypt(nonce, base64.b64decode(said["plaintext"]), None)
            return self._answer(200, {"data": {"ciphertext": f"vault:v1:{base64.b64encode(sealed).decode()}"}})
        if self.path == "/v1/transit/decrypt/city":
            sealed = base64.b64decode(said["ciphertext"].removeprefix("vault:v1:"))
            try:
                plain = KEY.decrypt(sealed[:12], sealed[12:], None)
            except InvalidTag:
                return self._answer(400, {"errors": ["cipher: message authentication failed"]})
            return self._answer(200, {"data": {"plaintext": base64.b64encode(plain).decode()}})
        if self.path == "/v1/odd/encrypt/city":
            return self._answer(200, {"data": {"ciphertext": "vault:nonsense"}})
        return self._answer(404, {"errors": []})

    def _answer(self, status: int, body: object) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    server = HTTPServer(("127.0.0.1", 0), Transit)
    print(server.server_port, flush=True)
    server.serve_forever()
