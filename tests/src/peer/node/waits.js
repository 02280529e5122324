// Exchanges that last, by Node's http: waits.js serve PORT LOG, or waits.js upload PORT SECONDS; as
// python/waits.py has them.
'use strict';
const fs = require('fs');
const http = require('http');

const [, , what, port, more] = process.argv;

function serve(request, response) {
  const began = process.hrtime.bigint();
  const url = new URL(request.url, 'http://localhost');
  let taken = 0;
  const answer = (content) => {
    const { remotePort } = request.socket;
    response.on('finish', () => {
      const lasted = (process.hrtime.bigint() - began) / 1000000n;
      const words = [request.method, request.url, 200, taken, content.length, remotePort, lasted];
      fs.appendFileSync(more, words.join('\t') + '\n');
    });
    response.writeHead(200, { 'Content-Length': content.length });
    response.end(content);
  };
  request.on('data', (data) => (taken += data.length));
  request.on('end', () => {
    const seconds = url.searchParams.get('seconds');
    if (seconds) setTimeout(() => answer('{"news": []}'), Number(seconds) * 1000);
    else answer(`taken ${taken}\n`);
  });
}

if (what === 'serve') {
  http.createServer(serve).listen(Number(port), '127.0.0.1');
} else {
  const options = { port, host: '127.0.0.1', method: 'POST', path: '/upload?by=node' };
  const request = http.request(options, (response) => response.resume());
  let number = 0;
  const next = () => {
    if (number === Number(more) * 5) return request.end();
    request.write(`${String(number).padStart(5, '0')}`.repeat(1 + (number % 40)));
    number += 1;
    setTimeout(next, 200);
  };
  next();
}
