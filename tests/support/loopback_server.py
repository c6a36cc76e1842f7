"""A process that serves the snapshot endpoints of a Qdrant server from a real shard, and fails when told to.

Usage: loopback_server.py SHARD KEY. Prints its port. ``POST /control`` takes a JSON list of failures, one per archive
asked for or removed: ``{"kind": "cut" | "clean_cut" | "slow" | "status" | "wrong_length" | "hang" | "garbage",
"share": .., "status": .., "headers": {..}}``. One of the kind "making" is for the next stored snapshot, which is made
whatever the answer is, after ``seconds``. ``POST /update`` applies ``{"upsert": [ids], "tag": text}``;
``GET /log`` lists the requests.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

import qdrant_edge
from archives import BLOCK, pack_full, pack_partial
from small_shards import upsert

SHARD, KEY = Path(sys.argv[1]), sys.argv[2]
BASE = "/collections/things/shards/0"
PARAMS = {"vectors": {"size": 4, "distance": "Dot"}}
failures: list[dict[str, Any]] = []
log: list[str] = []
stored: dict[str, bytes] = {}


def manifest_now(change: dict[str, Any] | None = None) -> dict[str, Any]:
    shard = qdrant_edge.EdgeShard.load(str(SHARD))
    if change:
        shard.update(upsert(qdrant_edge, change["upsert"], change["tag"]))
    shard.flush()
    manifest: dict[str, Any] = shard.snapshot_manifest()
    shard.close()
    return manifest


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Quiet."""

    def body(self) -> Any:
        data = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return json.loads(data) if data else None

    def answer(self, status: int, result: Any, headers: dict[str, str] | None = None) -> None:
        key = "result" if status < 300 else "status"
        data = json.dumps({key: result if status < 300 else {"error": result}, "time": 0.0}).encode()
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self) -> None:
        self.route(None)

    def do_DELETE(self) -> None:
        self.route(None)

    def do_POST(self) -> None:
        self.route(self.body())

    def route(self, body: Any) -> None:
        path, _, _ = self.path.partition("?")
        if path == "/control":
            failures[:] = body
            self.answer(200, True)
        elif path == "/log":
            self.answer(200, log)
        elif path == "/update":
            manifest_now(body)
            self.answer(200, True)
        elif self.headers.get("api-key") != KEY:
            self.send_response(401)
            self.send_header("Content-Length", "15")
            self.end_headers()
            self.wfile.write(b"Must provide an")
        else:
            log.append(f"{self.command} {path} {self.headers.get('Range', '')}".strip())
            self.api(path, body)

    def api(self, path: str, body: Any) -> None:
        if path == "/collections/things":
            self.answer(200, {"config": {"params": PARAMS}})
        elif path == f"{BASE}/snapshot":
            manifest_now()
            self.send_archive(pack_full(SHARD))
        elif path == f"{BASE}/snapshot/partial/create":
            manifest = manifest_now()
            if body == manifest:
                self.send_response(304)
                self.end_headers()
            else:
                self.send_archive(pack_partial(SHARD, manifest, body))
        elif path == f"{BASE}/snapshots" and self.command == "POST":
            manifest_now()
            name = f"things-shard-0-{len(stored)}.snapshot"
            stored[name] = pack_full(SHARD, "regular")
            making = failures.pop(0) if failures and failures[0]["kind"] == "making" else {}
            time.sleep(making.get("seconds", 0))
            if "status" in making:
                self.answer(making["status"], "injected")
                return
            checksum = hashlib.sha256(stored[name]).hexdigest()
            self.answer(200, {"name": name, "size": len(stored[name]), "checksum": checksum, "creation_time": None})
        elif path.startswith(f"{BASE}/snapshots/") and path.rpartition("/")[2] in stored:
            name = path.rpartition("/")[2]
            if self.command == "DELETE" and failures:
                self.answer(failures.pop(0)["status"], "injected")
            elif self.command == "DELETE":
                del stored[name]
                self.answer(200, True)
            else:
                self.send_archive(stored[name], chunked=False)
        else:
            self.answer(404, "Not found: Collection `things` or shard")

    def send_archive(self, data: bytes, *, chunked: bool = True) -> None:
        failure = failures.pop(0) if failures else {"kind": None}
        kind = failure["kind"]
        if kind == "status":
            self.answer(failure["status"], "injected", failure.get("headers"))
            return
        if kind == "hang":
            time.sleep(failure.get("seconds", 3))
        if kind == "garbage":
            data = b"\x07" * 4096 + bytes(2 * BLOCK)
        start = 0
        if not chunked and self.headers.get("Range"):
            start = int(self.headers["Range"].removeprefix("bytes=").removesuffix("-"))
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        else:
            self.send_response(200)
        rest = data[start:]
        self.send_header("Content-Type", "application/octet-stream")
        if chunked and kind != "wrong_length":
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(len(rest) + (1000 if kind == "wrong_length" else 0)))
        self.end_headers()
        share = failure.get("share", 1.0)
        sent = rest[: int(len(rest) * share) // BLOCK * BLOCK] if kind in ("cut", "clean_cut") else rest
        self.send_body(sent, chunked=chunked and kind != "wrong_length", slow=kind == "slow", end=kind != "cut")
        if kind in ("cut", "wrong_length"):
            self.close_connection = True

    def send_body(self, data: bytes, *, chunked: bool, slow: bool, end: bool) -> None:
        step = max(len(data) // 10, 1)
        for start in range(0, len(data), step):
            piece = data[start : start + step]
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece) if chunked else piece)
            self.wfile.flush()
            if slow:
                time.sleep(0.05)
        if chunked and end:
            self.wfile.write(b"0\r\n\r\n")


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
