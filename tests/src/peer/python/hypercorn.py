"""hypercorn as a test peer, over TLS: hypercorn.py PORT LOG CERTIFICATE KEY.

It speaks HTTP/2 on asyncio, whose TLS works on memory buffers. LOG is hypercorn's own access log, in this
package's form.
"""

import asyncio
import signal
import sys
from urllib.parse import parse_qs

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.logging import Logger

PORT, LOG, CERTIFICATE, KEY = sys.argv[1:]
FILE = open(LOG, "a", buffering=1)


class Access(Logger):
    """Writes what hypercorn says of each exchange."""

    async def access(self, request, response, request_time):
        atoms = self.atoms(request, response, request_time)
        port = atoms["h"].rsplit(":", 1)[1]
        FILE.write("\t".join([atoms["m"], atoms["Uq"], atoms["s"], atoms["B"], port]) + "\n")


def body(size):
    lines = [b"%8d bytes, at %8d\n" % (size, at) for at in range(0, size, 28)]
    return b"".join(lines)[:size]


async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    taken, more = 0, True
    while more:
        event = await receive()
        if event["type"] == "http.disconnect":
            return
        taken += len(event.get("body", b""))
        more = event.get("more_body", False)
    kind, *number = scope["path"].split("/")[1:]
    status, content = 200, b"%d bytes taken\n" % taken
    if kind == "status":
        status, content = int(number[0]), b"by order\n"
    elif kind == "size":
        content = body(int(number[0]))
    ident = parse_qs(scope["query_string"])[b"id"][0]
    head = [(b"content-length", b"%d" % len(content)), (b"x-id", ident)]
    await send({"type": "http.response.start", "status": status, "headers": head})
    for at in range(0, len(content), 7000):
        piece = content[at : at + 7000]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def main():
    config = Config()
    config.bind = [f"127.0.0.1:{PORT}"]
    config.certfile, config.keyfile = CERTIFICATE, KEY
    config.alpn_protocols = ["h2"]
    config.accesslog, config.logger_class = "-", Access
    config.keep_alive_timeout = 60
    over = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, over.set)
    await serve(application, config, shutdown_trigger=over.wait)


asyncio.run(main())
