// SPDX-License-Identifier: MIT
// Node: a cluster of 2 workers, each an http server with the same answer.
// node_http.js PORT BODY
'use strict';
const cluster = require('cluster');
const http = require('http');

if (cluster.isPrimary) {
  for (let i = 0; i < 2; i++) cluster.fork();
} else {
  const body = process.argv[3];
  const headers = { 'Content-Type': 'text/plain', 'Content-Length': Buffer.byteLength(body) };
  http.createServer((request, response) => {
    response.writeHead(200, headers);
    response.end(body);
  }).listen(Number(process.argv[2]), '127.0.0.1', 511);
}
