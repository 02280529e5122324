"""httpx as a test peer, over HTTP/2 and TLS: httpx.py PORT REQUESTS.

One client works on sockets, one after the other; another on asyncio, several at a time, whose TLS works on
memory buffers.
"""

import asyncio
import sys

import httpx

PORT, REQUESTS = int(sys.argv[1]), int(sys.argv[2])
URL = f"https://127.0.0.1:{PORT}"
SIZES = [0, 13, 600, 4000, 16000, 40000]


def body(size):
    lines = [b"%8d bytes, at %8d\n" % (size, at) for at in range(0, size, 28)]
    return b"".join(lines)[:size]


def requests(name):
    for number in range(REQUESTS):
        ident = f"id={name}-{number}"
        if number % 5 == 3:
            size = SIZES[number % len(SIZES)]
            yield "POST", f"{URL}/take?{ident}&b={size}", body(size)
        elif number % 7 == 5:
            yield "GET", f"{URL}/status/404?{ident}", None
        else:
            yield "GET", f"{URL}/size/{SIZES[number % len(SIZES)]}?{ident}", None


def check(response):
    assert response.http_version == "HTTP/2", response.http_version
    assert response.status_code in (200, 404), response.status_code


def one_by_one():
    with httpx.Client(http2=True, verify=False) as client:
        for method, url, content in requests("sync"):
            check(client.request(method, url, content=content))


async def together():
    async with httpx.AsyncClient(http2=True, verify=False) as client:
        turn = asyncio.Semaphore(4)

        async def ask(method, url, content):
            async with turn:
                check(await client.request(method, url, content=content))

        await asyncio.gather(*(ask(*request) for request in requests("async")))


one_by_one()
asyncio.run(together())
