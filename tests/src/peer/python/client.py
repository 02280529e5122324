"""http.client as a test peer: client.py PLACE PLAN CONNECTIONS keep|close."""

import http.client
import queue
import socket
import sys
import threading

PLACE, PLAN, CONNECTIONS, MANNER = sys.argv[1:5]


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(PLACE[5:])


def body(size):
    lines, at = [], 0
    while at < size:
        line = b"%8d bytes, at %8d\n" % (size, at)
        lines.append(line)
        at += len(line)
    return b"".join(lines)[:size]


def connect():
    if PLACE.startswith("unix:"):
        return UnixConnection("localhost")
    host, port = PLACE.split(":")
    return http.client.HTTPConnection(host, int(port))


def ask(connection, line):
    method, target, size, chunked, conditional = line.split("\t")
    headers = {}
    if conditional == "1":
        headers["If-None-Match"] = "*"
    if MANNER == "close":
        headers["Connection"] = "close"
    content = body(int(size)) or None
    if chunked == "1":
        pieces = (content[at:at + 4000] for at in range(0, len(content), 4000))
        connection.request(method, target, pieces, headers, encode_chunked=True)
    else:
        connection.request(method, target, content, headers)
    response = connection.getresponse()
    response.read()


def work(wants, failed):
    connection = connect()
    try:
        while True:
            ask(connection, wants.get_nowait())
            if MANNER == "close":
                connection.close()
                connection = connect()
    except queue.Empty:
        connection.close()
    except Exception as error:
        failed.append(error)


WANTS, FAILED = queue.Queue(), []
for each in open(PLAN):
    WANTS.put(each.rstrip("\n"))
THREADS = [threading.Thread(target=work, args=(WANTS, FAILED)) for _ in range(int(CONNECTIONS))]
for thread in THREADS:
    thread.start()
for thread in THREADS:
    thread.join()
if FAILED:
    sys.exit(repr(FAILED[0]))
