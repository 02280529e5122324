"""A gRPC server and its client, by Google's library:

    grpc.py PORT LOG once|busy

The client makes calls of all kinds, once or until it is told to stop (SIGTERM), and LOG gets a line for each:
method, status, messages of request and response, their bytes; a status that need not go over the wire is
`-`.
"""

import signal
import sys
import threading
import time
from concurrent import futures

import grpc

PORT, LOG, HOW = int(sys.argv[1]), sys.argv[2], sys.argv[3]
STOP = threading.Event()
signal.signal(signal.SIGTERM, lambda *_: STOP.set())


def watch(request, _):
    for number in range(5):
        yield request * (number + 1)


def fill(requests, _):
    return b"%d" % sum(len(one) for one in requests)


def talk(requests, _):
    for one in requests:
        yield one
        yield one + one


def refuse(_, context):
    context.abort(grpc.StatusCode.NOT_FOUND, "no such cart: \u00fc 100%")


def sleep(request, _):
    time.sleep(0.6)
    return request


METHODS = {
    "Get": grpc.unary_unary_rpc_method_handler(lambda request, _: request[::-1] + b"!"),
    "Watch": grpc.unary_stream_rpc_method_handler(watch),
    "Fill": grpc.stream_unary_rpc_method_handler(fill),
    "Talk": grpc.stream_stream_rpc_method_handler(talk),
    "Refuse": grpc.unary_unary_rpc_method_handler(refuse),
    "Sleep": grpc.unary_unary_rpc_method_handler(sleep),
}
server = grpc.server(futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Cart", METHODS)])
assert server.add_insecure_port(f"127.0.0.1:{PORT}") == PORT
server.start()

lines = []


def note(method, status, sent, got):
    sizes = [len(sent), len(got), sum(map(len, sent)), sum(map(len, got))]
    lines.append("\t".join([method, str(status), *map(str, sizes)]))


def talk_over(channel):
    for size in (0, 10, 3000):
        sent = b"x" * size
        note("Get", 0, [sent], [channel.unary_unary("/shop.Cart/Get")(sent)])
    note("Watch", 0, [b"ab"], list(channel.unary_stream("/shop.Cart/Watch")(b"ab")))
    parts = [b"y" * at for at in range(6)]
    note("Fill", 0, parts, [channel.stream_unary("/shop.Cart/Fill")(iter(parts))])
    got = list(channel.stream_stream("/shop.Cart/Talk")(iter(parts)))
    note("Talk", 0, parts, got)
    try:
        channel.unary_unary("/shop.Cart/Refuse")(b"cart")
    except grpc.RpcError as error:
        note("Refuse", error.code().value[0], [b"cart"], [])


def give_up(channel):
    try:
        channel.unary_unary("/shop.Cart/Sleep")(b"slow", timeout=0.2)
    except grpc.RpcError:
        note("Sleep", "-", [b"slow"], [])
    call = channel.unary_unary("/shop.Cart/Sleep").future(b"stop")
    time.sleep(0.2)
    call.cancel()
    note("Sleep", "-", [b"stop"], [])


with grpc.insecure_channel(f"127.0.0.1:{PORT}") as channel:
    if HOW == "once":
        talk_over(channel)
        give_up(channel)
        time.sleep(0.8)
    while HOW == "busy" and not STOP.is_set():
        talk_over(channel)
        time.sleep(0.01)
server.stop(1).wait()
with open(LOG, "w") as file:
    file.write("\n".join(lines) + "\n")
