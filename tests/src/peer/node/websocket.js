// A WebSocket server and its client, by the library `ws`, over HTTP/1 and over HTTP/2 (RFC 8441):
//
//     websocket.js PORT LOG LIBRARY h1|h2
//
// LOG gets a line for each message as it was given to the library: 0, `server` or `client` (the end it
// goes to), `text` or `binary`, and its bytes in hexadecimal; at the end `0 close CODE`.
'use strict';
const fs = require('fs');
const http = require('http');
const http2 = require('http2');

const [, , port, log, library, version] = process.argv;
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

function talk(socket, done) {
  let number = 0;
  const next = () => {
    if (number === MESSAGES) return socket.close(4002, 'enough');
    const text = `{"number": ${number}, "text": "${'abc '.repeat(number)}"}`;
    const message = number % 7 === 6 ? Buffer.alloc(70000, number) : text;
    number += 1;
    socket.send(sent('server', message));
  };
  socket.on('message', next);
  socket.on('close', () => {
    lines.push('0\tclose\t4002');
    fs.writeFileSync(log, lines.join('\n') + '\n');
    done();
  });
  next();
}

// A stream of HTTP/2 in the place of a socket.
function over(stream, isServer) {
  stream.setNoDelay = () => {};
  stream.setTimeout = stream.setTimeout || (() => {});
  const socket = new WebSocket(null, undefined, {});
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
  const sockets = new WebSocket.Server({ server, perMessageDeflate: { threshold: 0 } });
  sockets.on('connection', serve);
  server.listen(port, '127.0.0.1', () => {
    const client = new WebSocket(`ws://127.0.0.1:${port}/chat`);
    client.on('open', () => talk(client, () => server.close()));
  });
} else {
  const server = http2.createServer({ settings: { enableConnectProtocol: true } });
  server.on('stream', (stream) => {
    stream.respond({ ':status': 200 });
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
