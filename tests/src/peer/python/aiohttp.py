"""aiohttp as a test peer, over TLS: aiohttp.py PORT LOG CERTIFICATE KEY.

It speaks HTTP/1.1 on asyncio, whose TLS works on memory buffers. LOG is aiohttp's own access log, in this
package's form.
"""

import ssl
import sys

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from peer import body

PORT, LOG, CERTIFICATE, KEY = sys.argv[1:]
FILE = open(LOG, "a", buffering=1)


class Access(AbstractAccessLogger):
    """Writes what aiohttp says of each exchange."""

    def log(self, request, response, time):
        port = request.transport.get_extra_info("peername")[1] if request.transport else 0
        words = [request.method, request.path_qs, response.status, len(response.body), port]
        FILE.write("\t".join(str(word) for word in words) + "\n")


async def answer(request):
    taken = len(await request.read())
    kind, *number = request.path.split("/")[1:]
    status, content = 200, b"%d bytes taken\n" % taken
    if kind == "status":
        status, content = int(number[0]), b"by order\n"
    elif kind == "size":
        content = body(int(number[0]))
    head = {"x-id": request.query["id"]}
    return web.Response(status=status, body=content, headers=head)


application = web.Application(client_max_size=1 << 20)
application.router.add_route("*", "/{rest:.*}", answer)
context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
context.load_cert_chain(CERTIFICATE, KEY)
web.run_app(
    application,
    host="127.0.0.1",
    port=int(PORT),
    ssl_context=context,
    access_log_class=Access,
    keepalive_timeout=60,
    print=None,
)
