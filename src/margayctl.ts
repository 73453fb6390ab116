/** Entry of margayctl: runs one command and ends with its exit code. */
import { CommanderError } from 'commander';
import { describeError } from './base/errors.ts';
import { runCtl } from './ctl/program.ts';

async function main(): Promise<number> {
  try {
    return await runCtl(process.argv.slice(2), {
      variables: process.env,
      write: (text) => void process.stdout.write(text),
      writeError: (text) => void process.stderr.write(text),
      terminal: process.stdout.isTTY,
      errorTerminal: process.stderr.isTTY,
    });
  } catch (error) {
    // commander has printed its own message already; its code is 0 after --help.
    if (error instanceof CommanderError) return error.exitCode;
    process.stderr.write(`${describeError(error)}\n`);
    return 1;
  }
}

// What Node deprecates is for us to mend, and no message to users (DEP0123: an etcd over TLS by its address).
process.noDeprecation = true;

// Whoever reads our output may have seen enough (`margayctl get np -A | head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

void main().then((code) => {
  process.exitCode = code;
});
