"""A WebSocket server and its clients, by the library `websockets`:

    websocket.py PORT LOG [late]

Two clients speak to it, one with permessage-deflate and one without, and close. If they are to be joined
late, both are open before LOG.open is there, and go on when LOG.go is. LOG gets a line for
each message as it was given to the library, in order: client's port, `server` or `client` (the end it
goes to), `text` or `binary`, and its bytes in hexadecimal; at the end `PORT close CODE`.
"""

import os
import sys
import threading
import time

from websockets.sync.client import connect
from websockets.sync.server import serve

PORT, LOG = int(sys.argv[1]), sys.argv[2]
LINES, LOCK = [], threading.Lock()


def note(port, *words):
    with LOCK:
        LINES.append("\t".join([str(port), *words]))


def sent(port, to, message):
    kind = "text" if isinstance(message, str) else "binary"
    data = message.encode() if isinstance(message, str) else message
    note(port, to, kind, data.hex())


def answer(connection):
    port = connection.remote_address[1]
    for number, got in enumerate(connection):
        if number % 3 == 2:
            sent(port, "client", got)
            connection.send([got[at : at + 10] for at in range(0, len(got), 10)])
        else:
            reply = f"heard {len(got)}"
            sent(port, "client", reply)
            connection.send(reply)


def wait_for(path):
    for _ in range(600):
        if os.path.exists(path):
            return
        time.sleep(0.05)
    sys.exit(f"{path} does not come")


def reach(compression):
    return connect(f"ws://127.0.0.1:{PORT}/chat", compression=compression)


def talk(client, messages):
    with client:
        port = client.local_address[1]
        for number in range(messages):
            message = f'{{"number": {number}, "text": "{"na " * (number % 50)}"}}'
            if number % 5 == 4:
                message = bytes([number % 256, 0, 255]) * 40
            elif number == 1:
                message = '{"q": "1 UNION SELECT password FROM users--", "password": "hunter2-hunter2"}'
            sent(port, "server", message)
            client.send(message)
            if number == 3:
                client.ping(b"still there").wait(5)
            client.recv()
        client.close(1001, "going home")
        note(port, "close", "1001")


with serve(answer, "127.0.0.1", PORT) as server:
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    if sys.argv[3:] == ["late"]:
        clients = [reach("deflate"), reach(None)]
        for client in clients:
            client.ping().wait(5)
        open(LOG + ".open", "w").close()
        wait_for(LOG + ".go")
        for client in clients:
            talk(client, 100)
    else:
        talk(reach("deflate"), 300)
        talk(reach(None), 300)
    server.shutdown()
    serving.join()
with open(LOG, "w") as file:
    file.write("\n".join(LINES) + "\n")
