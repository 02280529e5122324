// A server that tells events for as long as it is asked to: events.js PORT.
'use strict';
const http = require('http');

http
  .createServer((request, response) => {
    const count = Number(new URL(request.url, 'http://localhost').searchParams.get('count'));
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
    let number = 0;
    const tell = () => {
      response.write(`id: ${number}\ndata: {"number": ${number}}\n\n`);
      number += 1;
      if (number < count) setTimeout(tell, 100);
      else response.end();
    };
    tell();
  })
  .listen(Number(process.argv[2]), '127.0.0.1');
