"""uvicorn as a test peer, over TLS: uvicorn.py PORT LOG CERTIFICATE KEY.

It speaks HTTP/1.1 on asyncio, whose TLS works on memory buffers. LOG is what its application took and gave.
"""

import sys

import uvicorn

from peer import application

PORT, LOG, CERTIFICATE, KEY = sys.argv[1:]
FILE = open(LOG, "a", buffering=1)


async def logged(scope, receive, send):
    gave = await application(scope, receive, send)
    if gave:
        status, size = gave
        target = scope["path"] + "?" + scope["query_string"].decode()
        words = [scope["method"], target, str(status), str(size), str(scope["client"][1])]
        FILE.write("\t".join(words) + "\n")


uvicorn.run(
    logged,
    host="127.0.0.1",
    port=int(PORT),
    loop="asyncio",
    http="h11",
    lifespan="off",
    log_level="warning",
    ssl_certfile=CERTIFICATE,
    ssl_keyfile=KEY,
    timeout_keep_alive=60,
)
