"""ClickHouse's engine behind its HTTP interface, as far as an insert and a question need it.

Arguments: port, folder of the data, file with SQL to begin with, faults with commas between, each for one
insert: a status, `reset` (in the body), `lost` (inserted, no answer).
"""

import re
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from urllib.parse import parse_qsl, urlsplit

from chdb import session

PORT, FOLDER, SQL = int(sys.argv[1]), sys.argv[2], sys.argv[3]
FAULTS = [fault for fault in sys.argv[4].split(",") if fault]
ENGINE = session.Session(FOLDER)
ENGINE.query(open(SQL).read())


class Interface(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.run(dict(parse_qsl(urlsplit(self.path).query))["query"])

    def do_POST(self):
        fault = FAULTS.pop(0) if FAULTS else ""
        length = int(self.headers["content-length"])
        if fault == "reset":
            self.rfile.read(length // 2)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if fault.isdigit():
            self.answer(int(fault), b"busy")
            return
        settings = dict(parse_qsl(urlsplit(self.path).query))
        insert = settings.pop("query")
        # By HTTP settings stand in the URL, in a session in the query.
        written = ", ".join(f"{name} = '{value}'" for name, value in settings.items())
        insert = re.sub(r" FORMAT JSONEachRow$", f" SETTINGS {written} FORMAT JSONEachRow\n", insert)
        self.run(insert + body.decode(), fault == "lost")

    def run(self, query, lost=False):
        try:
            status, answer = 200, str(ENGINE.query(query)).encode()
        except RuntimeError as error:
            status, answer = 500, str(error).encode()
        if lost:
            self.close_connection = True
            return
        self.answer(status, answer)

    def answer(self, status, body):
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


HTTPServer(("127.0.0.1", PORT), Interface).serve_forever()
