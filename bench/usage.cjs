/**
 * Loaded into every node process of a measured step (`--require`). When the process exits, it records
 * its cost. It is CommonJS because that loads in a millisecond.
 */
'use strict';
const { appendFileSync, readFileSync } = require('node:fs');

process.once('exit', () => {
  const file = process.env.WHEELHOUSE_BENCH_USAGE;
  if (!file) return;
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage();
  const cost = {
    program: process.argv[1] ?? '',
    cpu: (userCPUTime + systemCPUTime) / 1e6,
    /** CPU seconds of all descendants; known on Linux only. */
    children: childrenCpu(),
    /** Peak resident memory in bytes. */
    memory: mostMemory() ?? maxRSS * 1024,
  };
  appendFileSync(file, `${JSON.stringify(cost)}\n`);
});

/** Reads VmHWM, because on Linux getrusage's maximum includes that of the process that forked this one. */
function mostMemory() {
  try {
    const [, kilobytes] = /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'));
    return Number(kilobytes) * 1024;
  } catch {
    return undefined;
  }
}

function childrenCpu() {
  try {
    const fields = readFileSync('/proc/self/stat', 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    return (Number(fields[13]) + Number(fields[14])) / 100;
  } catch {
    return undefined;
  }
}
