"""A witness: a program of somebody else, with a key of its own, that signs only histories that go on from what it signed.

Run it on another machine, by other people. It keeps one file for each ledger it is asked to witness, and answers
``POST /add-checkpoint`` (C2SP tlog-witness). A ledger that was rewritten cannot get its signature again: the answer is 409
or 422, and what was asked for is kept as evidence.

    python witness.py init --name witness.example.org --home FOLDER         prints the witness's verifier key
    python witness.py serve --home FOLDER --log 'ORIGIN+hash+key' --port 8300
"""

import argparse
import base64
import json
import os
import secrets
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gongzhi.kernel.seals.merkle import ProofError, check_consistency
from gongzhi.kernel.seals.notes import COSIGNATURE, Checkpoint, NoteError, Signer, Verifier, opened, read_proof

MOST = 128_000  # bytes of a request


class Witness:
    """What the witness signed last, for each ledger, and its key."""

    def __init__(self, home: Path, logs: dict[str, Verifier]) -> None:
        """Take the key from ``home``; ``logs`` are verifier keys by origin."""
        name, seed = (home / "key").read_text(encoding="ascii").split()
        self.signer = Signer(name, Ed25519PrivateKey.from_private_bytes(base64.b64decode(seed)), COSIGNATURE)
        self.home = home
        self.logs = logs
        self._lock = threading.Lock()

    def add(self, request: str) -> tuple[int, str]:
        """Answer one request with a status and a text: 200 and the signature, or why not."""
        try:
            head, note = request.split("\n\n", 1)
            first, *steps = head.split("\n")
            if not first.startswith("old ") or not first[4:].isdecimal():
                raise NoteError("the first line reads: old SIZE")
            old, proof = int(first[4:]), read_proof(steps)
            origin = note.partition("\n")[0]
        except (ValueError, NoteError) as error:
            return 400, f"{error}\n"
        if origin not in self.logs:
            return 404, "unknown ledger\n"
        try:
            asked = opened(note, [self.logs[origin]])
        except NoteError as error:
            return 403, f"{error}\n"
        with self._lock:
            return self._sign(asked, old, proof)

    def _sign(self, asked: Checkpoint, old: int, proof: list[bytes]) -> tuple[int, str]:
        held = self._held(asked.origin)
        if old > asked.size:
            return 400, "old is larger than the checkpoint\n"
        if old != held.size:
            return 409, f"{held.size}\n"
        if asked.size == held.size and asked.root != held.root and held.note:
            self._keep_note("forked", asked)
            return 409, f"{held.size}\n"
        if held.size:
            try:
                check_consistency(old, held.root, asked.size, asked.root, proof)
            except ProofError as error:
                self._keep_note("unproven", asked)
                return 422, f"{error}\n"
        self._keep(asked)  # before the signature leaves: it never signs two histories, even if it falls here
        return 200, self.signer.line(asked.text, int(time.time()))

    def _path(self, origin: str) -> Path:
        return self.home / f"{base64.urlsafe_b64encode(origin.encode()).decode()}.json"

    def _held(self, origin: str) -> Checkpoint:
        path = self._path(origin)
        if not path.exists():
            return Checkpoint(origin, 0, b"")
        said = json.loads(path.read_text(encoding="utf-8"))
        return Checkpoint(origin, said["size"], bytes.fromhex(said["root"]), said["note"])

    def _keep(self, held: Checkpoint) -> None:
        path = self._path(held.origin)
        draft = path.with_suffix(f".{secrets.token_hex(4)}")
        with draft.open("w", encoding="utf-8") as file:
            json.dump({"size": held.size, "root": held.root.hex(), "note": held.note}, file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)

    def _keep_note(self, kind: str, asked: Checkpoint) -> None:
        """Keep a signed checkpoint that was refused, once: only the ledger's own key makes another.

        ``forked`` proves two histories: it has the size of the one that was signed, and another root. ``unproven`` is the
        larger one that came with a bad proof, which anybody can send with an honest checkpoint: ask the ledger for a good one.
        """
        path = self.home / f"{kind}-{asked.size}-{asked.root.hex()[:16]}.note"
        if not path.exists():
            path.write_text(asked.note, encoding="utf-8")


def answering(witness: Witness) -> type[BaseHTTPRequestHandler]:
    """Return the handler of requests to this witness."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 30  # seconds that a request may take to arrive

        def do_POST(self) -> None:
            """Answer add-checkpoint."""
            said = self.headers.get("Content-Length") or ""
            size = int(said) if said.isascii() and said.isdigit() and len(said) < 10 else 0
            if self.path != "/add-checkpoint" or not 0 < size <= MOST:
                self._say(404 if size <= MOST else 413, "")
                return
            self._say(*witness.add(self.rfile.read(size).decode("utf-8", "replace")))

        def _say(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/x.tlog.size" if status == 409 else "text/plain; charset=utf-8")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *given: Any) -> None:  # noqa: A002  (the library's name)
            """Say nothing of each request."""

    return Handler


def main() -> int:
    """Run the command."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("what", choices=("init", "serve"))
    asked.add_argument("--home", type=Path, required=True)
    asked.add_argument("--name", default="witness")
    asked.add_argument(
        "--log", action="append", default=[], help="the verifier key of a ledger; its name is the origin"
    )
    asked.add_argument("--host", default="127.0.0.1")
    asked.add_argument("--port", type=int, default=8300)
    chosen = asked.parse_args()
    if chosen.what == "init":
        chosen.home.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(chosen.home / "key", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(f"{chosen.name} {base64.b64encode(secrets.token_bytes(32)).decode()}\n")
        sys.stdout.write(f"{Witness(chosen.home, {}).signer.verifier}\n")
        return 0
    keys = [Verifier.parse(text) for text in chosen.log]
    witness = Witness(chosen.home, {key.name: key for key in keys})
    with ThreadingHTTPServer((chosen.host, chosen.port), answering(witness)) as server:
        sys.stdout.write(f"{chosen.host}:{server.server_address[1]}\n")
        sys.stdout.flush()
        server.serve_forever()
    return 0


if __name__ == "__main__":
    sys.exit(main())
