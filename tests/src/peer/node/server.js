// Node's http as a test peer: server.js PORT LOG [CERTIFICATE KEY].
'use strict';
const fs = require('fs');
const http = require('http');
const https = require('https');

const log = fs.openSync(process.argv[3], 'a');

function body(size) {
  const lines = [];
  for (let at = 0; at < size; at += 28) {
    lines.push(`${String(size).padStart(8)} bytes, at ${String(at).padStart(8)}\n`);
  }
  return Buffer.from(lines.join('')).subarray(0, size);
}

function answer(request, response, url) {
  const path = url.pathname.split('/');
  const id = url.searchParams.get('id');
  if (id) response.setHeader('x-id', id);
  let status = 200;
  let content = Buffer.from('taken\n');
  if (request.headers['if-none-match']) status = 304;
  else if (path[1] === 'size' || path[1] === 'chunked') content = body(Number(path[2]));
  else if (path[1] === 'status') [status, content] = [Number(path[2]), Buffer.from('by order\n')];
  else if (path[1] !== 'take') [status, content] = [404, Buffer.from('nothing here\n')];
  if (status === 204 || status === 304) content = Buffer.alloc(0);
  response.statusCode = status;
  const sent = request.method === 'HEAD' ? 0 : content.length;
  // Of its own the whole response: by 'finish' all of it went to the kernel.
  const port = request.socket.remotePort || '-';
  response.on('finish', () => {
    fs.writeSync(log, `${request.method}\t${request.url}\t${status}\t${sent}\t${port}\n`);
  });
  if (path[1] === 'chunked' && status === 200) {
    for (let at = 0; at < content.length; at += 7000) {
      response.write(content.subarray(at, at + 7000));
    }
    response.end();
  } else {
    if (status !== 204 && status !== 304) response.setHeader('Content-Length', content.length);
    response.end(content);
  }
}

const listener = (request, response) => {
  request.resume();
  request.on('end', () => answer(request, response, new URL(request.url, 'http://localhost')));
};
const [certificate, key] = process.argv.slice(4);
const server = process.env.EAVES_HTTP2
  ? require('http2').createServer(listener)
  : certificate
  ? https.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, listener)
  : http.createServer(listener);
server.keepAliveTimeout = 60000;
server.listen({ port: Number(process.argv[2]), host: '127.0.0.1', backlog: 1024 });
process.on('SIGTERM', () => process.exit(0));
