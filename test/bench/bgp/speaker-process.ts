/** Our speaker alone in a process, as the peers are: reads its configuration from a file. SIGTERM ends it. */
import { readFileSync } from 'node:fs';
import { systemClock } from '../../../src/base/clock.ts';
import { createLogger } from '../../../src/base/log.ts';
import { BfdEngine } from '../../../src/bgp/bfd-engine.ts';
import { BfdSockets } from '../../../src/bgp/bfd-sockets.ts';
import type { SpeakerConfig } from '../../../src/bgp/config.ts';
import { Speaker } from '../../../src/bgp/speaker.ts';
import { openLinuxKernel } from '../../../src/netlink/linux.ts';

const config = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as SpeakerConfig;
const kernel = openLinuxKernel();
const log = createLogger('warn');
const bfd = (): BfdEngine =>
  new BfdEngine({
    clock: systemClock,
    log,
    random: Math.random,
    transport: (receive) => new BfdSockets({ receive }),
  });
void Speaker.start({ kernel, clock: systemClock, log, bfd }, config).then((speaker) => {
  process.on('SIGTERM', () => {
    void speaker.stop({ graceful: true }).then(() => process.exit(0));
  });
});
