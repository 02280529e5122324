// Node's http as a test peer: client.js PLACE PLAN CONNECTIONS keep|close; https with EAVES_TLS.
'use strict';
const fs = require('fs');
const http = require(process.env.EAVES_TLS ? 'https' : 'http');

const [place, plan, connections, manner] = process.argv.slice(2);
const where = place.startsWith('unix:')
  ? { socketPath: place.slice(5) }
  : { host: place.split(':')[0], port: Number(place.split(':')[1]) };
const keep = manner === 'keep';
const agent = new http.Agent({
  keepAlive: keep,
  maxSockets: Number(connections),
  rejectUnauthorized: false,
});
const wants = fs.readFileSync(plan, 'utf8').trim().split('\n').map((line) => line.split('\t'));

function body(size) {
  const lines = [];
  for (let at = 0; at < size; at += 28) {
    lines.push(`${String(size).padStart(8)} bytes, at ${String(at).padStart(8)}\n`);
  }
  return Buffer.from(lines.join('')).subarray(0, size);
}

function ask([method, target, bytes, chunked, conditional]) {
  return new Promise((done, failed) => {
    const headers = { host: 'localhost' };
    const content = body(Number(bytes));
    if (conditional === '1') headers['if-none-match'] = '*';
    if (chunked === '1') headers['transfer-encoding'] = 'chunked';
    else if (content.length) headers['content-length'] = content.length;
    const request = http.request({ ...where, agent, method, path: target, headers }, (response) => {
      response.resume();
      response.on('end', done);
      response.on('error', failed);
    });
    request.on('error', failed);
    if (chunked === '1') {
      for (let at = 0; at < content.length; at += 3000) {
        request.write(content.subarray(at, at + 3000));
      }
      request.end();
    } else {
      request.end(content.length ? content : undefined);
    }
  });
}

async function work(queue) {
  for (let want = queue.shift(); want; want = queue.shift()) await ask(want);
}

Promise.all(Array.from({ length: Number(connections) }, () => work(wants)))
  .then(() => { agent.destroy(); console.log('done'); })
  .catch((error) => { console.error(error); process.exit(1); });
