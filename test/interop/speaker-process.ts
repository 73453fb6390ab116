/** A speaker as a process: one JSON request a line on stdin, one JSON answer a line on stdout. SIGTERM ends it. */
import { createInterface } from 'node:readline';
import { systemClock } from '../../src/base/clock.ts';
import { createLogger } from '../../src/base/log.ts';
import type { SpeakerConfig } from '../../src/bgp/config.ts';
import { Speaker } from '../../src/bgp/speaker.ts';
import { openLinuxKernel } from '../../src/netlink/linux.ts';
import { bfdEngine } from './fixture-speaker.ts';

type Request =
  | { readonly call: 'start'; readonly params: SpeakerConfig }
  | { readonly call: 'status' | 'routes' };

const kernel = openLinuxKernel();
const log = createLogger(process.env['MARGAY_TEST_LOG'] === undefined ? 'silent' : 'debug');
let speaker: Speaker | undefined;

async function answer(request: Request): Promise<unknown> {
  if (request.call === 'start') {
    speaker = await Speaker.start(
      { kernel, clock: systemClock, log, bfd: () => bfdEngine() },
      request.params,
    );
    return {};
  }
  return request.call === 'status' ? speaker?.status() : speaker?.routes();
}

let last: Promise<void> = Promise.resolve();
createInterface({ input: process.stdin }).on('line', (line) => {
  last = last.then(async () => {
    process.stdout.write(`${JSON.stringify(await answer(JSON.parse(line) as Request))}\n`);
  });
});

process.on('SIGTERM', () => {
  void speaker?.stop({ graceful: true }).then(() => process.exit(0));
});
