"""A server and its client over TLS, by OpenSSL itself, that write much in one call and read little:

    large.py CERTIFICATE KEY PORT GO

Python's own module writes one record of TLS a call; SSL_write takes all. When GO is there, the client asks
for a megabyte, sends one, and at last asks a hundred times at once, and is answered so.
"""

import ctypes
import ctypes.util
import os
import socket
import sys
import threading
import time

CERTIFICATE, KEY, PORT, GO = sys.argv[1:]
SSL = ctypes.CDLL(ctypes.util.find_library("ssl"))
for name in ("TLS_server_method", "TLS_client_method", "SSL_CTX_new", "SSL_new"):
    getattr(SSL, name).restype = ctypes.c_void_p
    getattr(SSL, name).argtypes = [ctypes.c_void_p] if "new" in name else []
PEM = 1
READ_BYTES = 3000


def check(result, what):
    if result <= 0:
        sys.exit(f"{what}: {result}")
    return result


class Session:
    def __init__(self, sock, is_server):
        self.sock = sock
        context = ctypes.c_void_p(SSL.SSL_CTX_new(SSL.TLS_server_method() if is_server else SSL.TLS_client_method()))
        if is_server:
            check(SSL.SSL_CTX_use_certificate_file(context, CERTIFICATE.encode(), PEM), "certificate")
            check(SSL.SSL_CTX_use_PrivateKey_file(context, KEY.encode(), PEM), "key")
        self.ssl = ctypes.c_void_p(SSL.SSL_new(context))
        check(SSL.SSL_set_fd(self.ssl, sock.fileno()), "set_fd")
        check(SSL.SSL_accept(self.ssl) if is_server else SSL.SSL_connect(self.ssl), "handshake")

    def write(self, data):
        if check(SSL.SSL_write(self.ssl, data, len(data)), "write") != len(data):
            sys.exit("a part was written")

    def read(self, count):
        into, data = ctypes.create_string_buffer(READ_BYTES), b""
        while len(data) < count:
            came = SSL.SSL_read(self.ssl, into, min(READ_BYTES, count - len(data)))
            data += into.raw[: check(came, "read")]
        return data

    def close(self):
        SSL.SSL_shutdown(self.ssl)
        self.sock.close()


def body(count):
    return b"".join(b"%07d\n" % word for word in range(count // 8))


def request(target, content=b""):
    return b"POST %s HTTP/1.1\r\nhost: large\r\ncontent-length: %d\r\n\r\n" % (target, len(content)) + content


def response(content):
    return b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: %d\r\n\r\n" % len(content) + content


MEGABYTE = body(1 << 20)
# What is asked at once, and what is answered at once.
TURNS = [
    (request(b"/download"), response(MEGABYTE)),
    (request(b"/upload", MEGABYTE), response(b"done")),
    (
        b"".join(request(b"/at-once/%d" % number) for number in range(100)),
        b"".join(response(body(8000 + 8 * number)) for number in range(100)),
    ),
    (request(b"/last"), response(b"last")),
]


def serve(listener):
    session = Session(listener.accept()[0], True)
    for asked, answered in TURNS:
        if session.read(len(asked)) != asked:
            sys.exit("other bytes came than went")
        session.write(answered)
    session.close()


listener = socket.create_server(("127.0.0.1", int(PORT)))
while not os.path.exists(GO):
    time.sleep(0.01)
server = threading.Thread(target=serve, args=(listener,))
server.start()
session = Session(socket.create_connection(("127.0.0.1", int(PORT))), False)
for asked, answered in TURNS:
    session.write(asked)
    if session.read(len(answered)) != answered:
        sys.exit("other bytes came than went")
session.close()
server.join()
