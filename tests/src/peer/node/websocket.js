// A WebSocket server and its client, by the library `ws`, over HTTP/1 and over HTTP/2 (RFC 8441):
//
//     websocket.js PORT LOG LIBRARY h1|h2 [late]
//
// If they are to be joined late, they are open before LOG.open is there, and go on when LOG.go is; then the
// server writes the header of a frame and its payload by a call each, and compresses nothing.
//
// LOG gets a line for each message as it was given to the library: 0, `server` or `client` (the end it
// goes to), `text` or `binary`, and its bytes in hexadecimal; at the end `0 close CODE`.
'use strict';
const fs = require('fs');
const http = require('http');
const http2 = require('http2');

const [, , port, log, library, version, late] = process.argv;
const WebSocket = require(library);
const lines = [];
const sent = (to, message) => {
  const kind = typeof message === 'string' ? 'text' : 'binary';
  lines.push(['0', to, kind, Buffer.from(message).toString('hex')].join('\t'));
  return message;
};

const MESSAGES = 40;

function serve(socket) {
  socket.on('message', (data, isBinary) => {
    const reply = isBinary ? Buffer.from(data) : `heard ${data.length}`;
    socket.send(sent('client', reply));
  });
}

// Calls `go` at once, or when both are joined.
function begin(socket, go) {
  if (!late) return go();
  socket.once('pong', () => {
    fs.writeFileSync(`${log}.open`, '');
    const waiting = setInterval(() => {
      if (!fs.existsSync(`${log}.go`)) return;
      clearInterval(waiting);
      go();
    }, 20);
  });
  socket.ping('are you there');
}

// Has what is written to a socket go by a call for each piece.
function apart(socket) {
  socket.cork = () => {};
  socket.uncork = () => {};
}

function talk(socket, done) {
  let number = 0;
  const next = () => {
    if (number === MESSAGES) return socket.close(4002, 'enough');
    const text = `{"number": ${number}, "text": "${'abc '.repeat(number)}"}`;
    const message = number % 7 === 6 ? Buffer.alloc(70000, number) : text;
    number += 1;
    const binary = typeof message !== 'string';
    sent('server', message);
    // Text goes by one call of two buffers, its header and itself; what is binary by one of one.
    socket.send(message, { binary });
  };
  socket.on('message', next);
  socket.on('close', () => {
    lines.push('0\tclose\t4002');
    fs.writeFileSync(log, lines.join('\n') + '\n');
    done();
  });
  begin(socket, next);
}

// A stream of HTTP/2 in the place of a socket.
function over(stream, isServer) {
  stream.setNoDelay = () => {};
  stream.setTimeout = stream.setTimeout || (() => {});
  const socket = new WebSocket(null, undefined, { autoPong: true });
  socket._isServer = isServer;
  socket.setSocket(stream, Buffer.alloc(0), {
    allowSynchronousEvents: true,
    maxPayload: 1 << 20,
    skipUTF8Validation: false,
  });
  return socket;
}

if (version === 'h1') {
  const server = http.createServer();
  const sockets = new WebSocket.Server({ server, perMessageDeflate: !late && { threshold: 0 } });
  sockets.on('connection', (socket) => {
    if (late) apart(socket._socket);
    serve(socket);
  });
  server.listen(port, '127.0.0.1', () => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/chat`);
    client.on('open', () => talk(client, () => server.close()));
  });
} else {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
    if (late) apart(stream);
    serve(over(stream, true));
  });
  server.listen(port, '127.0.0.1', () => {
    const session = http2.connect(`http://127.0.0.1:${port}`);
    session.on('remoteSettings', () => {
      const stream = session.request({
        ':method': 'CONNECT',
        ':protocol': 'websocket',
        ':path': '/chat',
      });
      stream.on('response', () => {
        talk(over(stream, false), () => {
          session.close();
          server.close();
        });
      });
    });
  });
}
