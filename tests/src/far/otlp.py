"""An OTLP receiver of OpenTelemetry's own protocol buffers: keeps each log record, and fails as it is told.

Arguments: port, file for the records (a JSON object a line), faults with commas between, each for one request:
a status, `reset` (in the body), `lost` (taken in, no answer), `drip` (taken in, an answer slower than anybody
waits), `partial` (the first record is rejected for good).
"""

import gzip
import json
import socket
import struct
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from google.protobuf.json_format import MessageToDict
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import (
    ExportLogsServiceRequest,
    ExportLogsServiceResponse,
)

PORT, OUT, FAULTS = int(sys.argv[1]), open(sys.argv[2], "a"), [f for f in sys.argv[3].split(",") if f]


class Receiver(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        fault = FAULTS.pop(0) if FAULTS else ""
        length = int(self.headers["content-length"])
        if fault == "reset":
            self.rfile.read(length // 2)
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.close_connection = True
            return
        body = self.rfile.read(length)
        if fault.isdigit():
            self.answer(int(fault), b"", ("Retry-After", "1"))
            return
        assert self.path == "/v1/logs", self.path
        assert self.headers["content-type"] == "application/x-protobuf"
        if self.headers["content-encoding"] == "gzip":
            body = gzip.decompress(body)
        request = ExportLogsServiceRequest()
        request.ParseFromString(body)
        response = ExportLogsServiceResponse()
        taken = []
        for resource in request.resource_logs:
            for scope in resource.scope_logs:
                for record in scope.log_records:
                    assert not unknown(record), "fields that OTLP does not have"
                    taken.append({"resource": MessageToDict(resource.resource), "record": MessageToDict(record)})
        if fault == "partial":
            taken = taken[1:]
            response.partial_success.rejected_log_records = 1
            response.partial_success.error_message = "no"
        for one in taken:
            OUT.write(json.dumps(one) + "\n")
        OUT.flush()
        if fault == "drip":
            for byte in b"HTTP/1.1 200 OK\r\n" * 3:
                self.wfile.write(bytes([byte]))
                time.sleep(0.1)
        if fault in ("drip", "lost"):
            self.close_connection = True
            return
        self.answer(200, response.SerializeToString())

    def answer(self, status, body, *headers):
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/x-protobuf")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def unknown(message):
    """Whether a message, or one in it, holds fields that its definition does not have."""
    from google.protobuf.unknown_fields import UnknownFieldSet

    if len(UnknownFieldSet(message)):
        return True
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        values = [value] if hasattr(value, "ListFields") else value
        if any(unknown(one) for one in values):
            return True
    return False


ThreadingHTTPServer(("127.0.0.1", PORT), Receiver).serve_forever()
