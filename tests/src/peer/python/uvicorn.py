"""uvicorn as a test peer, over TLS: uvicorn.py PORT LOG CERTIFICATE KEY.

It speaks HTTP/1.1 on asyncio, whose TLS works on memory buffers. LOG is what its application took and gave.
"""

import sys
from urllib.parse import parse_qs

import uvicorn

PORT, LOG, CERTIFICATE, KEY = sys.argv[1:]
FILE = open(LOG, "a", buffering=1)


def body(size):
    lines = [b"%8d bytes, at %8d\n" % (size, at) for at in range(0, size, 28)]
    return b"".join(lines)[:size]


async def application(scope, receive, send):
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
    query = scope["query_string"]
    ident = parse_qs(query)[b"id"][0]
    head = [(b"content-length", b"%d" % len(content)), (b"x-id", ident)]
    await send({"type": "http.response.start", "status": status, "headers": head})
    for at in range(0, len(content), 7000):
        piece = content[at : at + 7000]
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b""})
    target = scope["path"] + "?" + query.decode()
    words = [scope["method"], target, str(status), str(len(content)), str(scope["client"][1])]
    FILE.write("\t".join(words) + "\n")


uvicorn.run(
    application,
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
