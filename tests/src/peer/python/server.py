"""http.server as a test peer: server.py PORT LOG [CERTIFICATE KEY]."""

import ssl
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from peer import body

LOG = open(sys.argv[2], "a", buffering=1)
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def log_message(self, *_):
        pass

    def take(self):
        """Reads the request's body and gives its length."""
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            total = 0
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                total += len(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    return total
        return len(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def answer(self, status, content, chunked=False):
        url = urlsplit(self.path)
        self.send_response(status)
        ident = parse_qs(url.query).get("id")
        if ident:
            self.send_header("x-id", ident[0])
        if self.close_connection:
            # Or a client may use it once more, just as it is closed.
            self.send_header("Connection", "close")
        bodiless = status in (204, 304)
        if chunked and self.request_version == "HTTP/1.1":
            self.send_header("Transfer-Encoding", "chunked")
        elif not bodiless:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        sent = 0
        if self.command != "HEAD" and not bodiless:
            sent = len(content)
            if chunked:
                for at in range(0, len(content), 5000):
                    piece = content[at:at + 5000]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.write(b"0\r\n\r\n")
            else:
                self.wfile.write(content)
        with LOCK:
            LOG.write("%s\t%s\t%d\t%d\t%d\n" % (
                self.command, self.path, status, sent, self.client_address[1]))

    def handle_any(self):
        self.take()
        path = urlsplit(self.path).path.split("/")
        if self.headers.get("If-None-Match"):
            self.answer(304, b"")
        elif path[1] == "size":
            self.answer(200, body(int(path[2])))
        elif path[1] == "chunked":
            self.answer(200, body(int(path[2])), chunked=True)
        elif path[1] == "status":
            self.answer(int(path[2]), b"by order\n")
        elif path[1] == "take":
            self.answer(200, b"taken\n")
        else:
            self.answer(404, b"nothing here\n")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any


class Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024


SERVER = Server(("127.0.0.1", int(sys.argv[1])), Handler)
if len(sys.argv) > 3:
    CONTEXT = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    CONTEXT.load_cert_chain(sys.argv[3], sys.argv[4])
    SERVER.socket = CONTEXT.wrap_socket(SERVER.socket, server_side=True)
SERVER.serve_forever()
