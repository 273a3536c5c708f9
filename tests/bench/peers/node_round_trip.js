// SPDX-License-Identifier: MIT
// Node: a cluster worker sends 64 bytes by process.send, its primary sends them back; one at a time; the median in µs.
// node_round_trip.js DIR SECONDS
'use strict';
const cluster = require('cluster');

const WARM_UP = 1000;

function ask(seconds) {
  const message = { cmd: 'message', name: 'bench', data: 'x'.repeat(64) };
  const until = process.hrtime.bigint() + BigInt(Math.round(seconds * 1e9));
  const samples = [];
  let asked = 0, sent;
  const send = () => {
    asked++;
    sent = process.hrtime.bigint();
    process.send(message);
  };
  process.on('message', (answer) => {
    const now = process.hrtime.bigint();
    if (answer.data.length !== 64) process.exit(1);
    if (asked > WARM_UP) samples.push(Number(now - sent) / 1000);
    if (now < until) return send();
    samples.sort((a, b) => a - b);
    console.log(JSON.stringify({ figure: samples[samples.length >> 1] }));
    process.exit(0);
  });
  send();
}

if (cluster.isPrimary) {
  const worker = cluster.fork();
  worker.on('message', (message) => worker.send(message));
  worker.on('exit', (code) => process.exit(code));
} else {
  ask(Number(process.argv[3]));
}
