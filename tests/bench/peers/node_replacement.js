// SPDX-License-Identifier: MIT
// Node: a cluster of 2 workers; one is killed, 'exit' forks another, and its 'listening' ends the time.
// node_replacement.js KILLS
'use strict';
const cluster = require('cluster');
const http = require('http');

function median(samples) {
  samples.sort((a, b) => a - b);
  return samples[samples.length >> 1];
}

function replaceOften(kills) {
  const samples = [];
  let killed, listening = 0;
  const killOne = () => {
    const victim = Object.values(cluster.workers)[0];
    killed = process.hrtime.bigint();
    process.kill(victim.process.pid, 'SIGKILL');
  };
  const end = () => {
    console.log(JSON.stringify({ figure: median(samples), samples: samples.length }));
    for (const worker of Object.values(cluster.workers)) worker.process.kill('SIGKILL');
    process.exit(0);
  };
  cluster.on('exit', () => cluster.fork());
  cluster.on('listening', () => {
    const now = process.hrtime.bigint();
    if (++listening < 2) return;
    if (killed !== undefined) samples.push(Number(now - killed) / 1e6);
    if (samples.length === kills) end();
    else setTimeout(killOne, 200);
  });
  for (let i = 0; i < 2; i++) cluster.fork();
}

if (cluster.isPrimary) replaceOften(Number(process.argv[2]));
else http.createServer((request, response) => response.end('Hello, world!\n')).listen(0, '127.0.0.1');
