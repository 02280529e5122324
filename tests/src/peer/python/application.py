"""A WSGI application as a test peer; its log is named by EAVES_LOG."""

import os

from peer import body

LOG = os.open(os.environ["EAVES_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
REASONS = {200: "OK", 204: "No Content", 304: "Not Modified", 403: "Forbidden",
           404: "Not Found", 410: "Gone", 500: "Internal Server Error"}


def choose(environ):
    path = environ["PATH_INFO"].split("/")
    if environ.get("HTTP_IF_NONE_MATCH"):
        return 304, b"", False
    if path[1] == "size":
        return 200, body(int(path[2])), False
    if path[1] == "chunked":
        return 200, body(int(path[2])), True
    if path[1] == "status":
        return int(path[2]), b"by order\n", False
    if path[1] == "take":
        return 200, b"taken\n", False
    return 404, b"nothing here\n", False


def application(environ, start_response):
    taken = environ["wsgi.input"]
    while taken.read(65536):
        pass
    status, content, chunked = choose(environ)
    query = environ["QUERY_STRING"]
    headers = [("x-id", pair[3:]) for pair in query.split("&") if pair.startswith("id=")]
    if status in (204, 304):
        content = b""
    elif not chunked:
        headers.append(("Content-Length", str(len(content))))
    method = environ["REQUEST_METHOD"]
    target = environ["PATH_INFO"] + ("?" + query if query else "")
    start_response("%d %s" % (status, REASONS[status]), headers)
    sent = 0 if method == "HEAD" else len(content)
    if method == "HEAD":
        content = b""
    try:
        for at in range(0, len(content), 9000):
            yield content[at:at + 9000]
    finally:
        line = "%s\t%s\t%d\t%d\t-\n" % (method, target, status, sent)
        os.write(LOG, line.encode())
