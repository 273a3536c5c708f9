// SPDX-License-Identifier: MIT
// Node: a cluster worker sends 64 bytes a message with process.send, as fast as the channel takes them.
// node_one_way.js DIR SECONDS
'use strict';
const cluster = require('cluster');

function count(seconds) {
  const warmUp = BigInt(Math.round(seconds * 0.2e9));
  const window = BigInt(Math.round(seconds * 1e9));
  const worker = cluster.fork();
  let first, begin, messages = 0;
  worker.on('message', (message) => {
    if (message.cmd !== 'message' || message.data.length !== 64) process.exit(1);
    messages++;
    if (messages & 63) return;
    const now = process.hrtime.bigint();
    first ??= now;
    if (begin === undefined) {
      if (now - first < warmUp) return;
      begin = now;
      messages = 0;
    } else if (now - begin >= window) {
      console.log(JSON.stringify({ figure: messages * 1e9 / Number(now - begin) }));
      worker.process.kill('SIGKILL');
      process.exit(0);
    }
  });
}

function sendForEver() {
  const message = { cmd: 'message', name: 'bench', data: 'x'.repeat(64) };
  const more = (error) => {
    if (error) process.exit(0);
    for (let i = 1; i < 1000; i++) process.send(message);
    process.send(message, more);
  };
  more(null);
}

if (cluster.isPrimary) count(Number(process.argv[3]));
else sendForEver();
