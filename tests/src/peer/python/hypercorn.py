"""hypercorn as a test peer, over TLS: hypercorn.py PORT LOG CERTIFICATE KEY.

It speaks HTTP/2 on asyncio, whose TLS works on memory buffers. LOG is hypercorn's own access log, in this
package's form.
"""

import asyncio
import signal
import sys

from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.logging import Logger

from peer import application

PORT, LOG, CERTIFICATE, KEY = sys.argv[1:]
FILE = open(LOG, "a", buffering=1)


class Access(Logger):
    """Writes what hypercorn says of each exchange."""

    async def access(self, request, response, request_time):
        atoms = self.atoms(request, response, request_time)
        port = atoms["h"].rsplit(":", 1)[1]
        FILE.write("\t".join([atoms["m"], atoms["Uq"], atoms["s"], atoms["B"], port]) + "\n")


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
