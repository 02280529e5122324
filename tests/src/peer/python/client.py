"""http.client as a test peer: client.py PLACE PLAN CONNECTIONS keep|close."""

import http.client
import queue
import socket
import sys

from peer import body, work_through

PLACE, PLAN, CONNECTIONS, MANNER = sys.argv[1:5]


class UnixConnection(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(PLACE[5:])


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


def work(next):
    connection = connect()
    try:
        while True:
            ask(connection, next())
            if MANNER == "close":
                connection.close()
                connection = connect()
    except queue.Empty:
        connection.close()


work_through(PLAN, int(CONNECTIONS), work)
