"""Exchanges that last, by http.server and http.client: waits.py serve PORT LOG, or waits.py upload PORT SECONDS.

`/poll?seconds=N` answers after so many seconds, `/upload` when all of the body has come. LOG gets a line for each
exchange: method, target, status, bytes of request and response, client's port, milliseconds.
"""

import http.client
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def parse_request(self):
        self.began = time.monotonic()
        return super().parse_request()

    def answer(self, taken, content):
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
        lasted = round((time.monotonic() - self.began) * 1000)
        words = [self.command, self.path, 200, taken, len(content), self.client_address[1], lasted]
        with LOCK:
            LOG.write("\t".join(map(str, words)) + "\n")

    def do_GET(self):
        time.sleep(int(parse_qs(urlsplit(self.path).query)["seconds"][0]))
        self.answer(0, b'{"news": []}')

    def do_POST(self):
        taken = 0
        while size := int(self.rfile.readline(), 16):
            taken += len(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        self.answer(taken, b"taken %d\n" % taken)


def chunks(seconds):
    for number in range(seconds * 5):
        yield b"%05d" % number * (1 + number % 40)
        time.sleep(0.2)


if sys.argv[1] == "serve":
    LOG = open(sys.argv[3], "a", buffering=1)
    ThreadingHTTPServer(("127.0.0.1", int(sys.argv[2])), Handler).serve_forever()
else:
    conn = http.client.HTTPConnection("127.0.0.1", int(sys.argv[2]))
    conn.request("POST", "/upload?by=python", chunks(int(sys.argv[3])), encode_chunked=True)
    assert conn.getresponse().read().startswith(b"taken ")
