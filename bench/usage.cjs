/**
 * Loaded into each node process of a measured step (`--require`): at its end it notes what the
 * process has cost. It is CommonJS because that is loaded in a millisecond.
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
    /** Of programs that it has started, and theirs; known on Linux only. */
    children: childrenCpu(),
    /** Most memory ever resident, in bytes. */
    memory: mostMemory() ?? maxRSS * 1024,
  };
  appendFileSync(file, `${JSON.stringify(cost)}\n`);
});

/** Linux hands the maximum of getrusage down from the process that forked, not this one. */
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
