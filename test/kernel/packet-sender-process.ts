/**
 * Sends without a pause until it is killed, from every namespace to every target: a packet of a protocol that policy
 * forbids, then one that it allows. Reads `[{namespace, name, targets}]` as its argument, tells when it has begun.
 */
import { KernelError } from '../../src/base/errors.ts';
import { type Address, familyOf } from '../../src/net/address.ts';
import { rawSocket, sendDatagram } from '../../src/sys/socket.ts';
import { ALLOWED, FORBIDDEN, type Sender } from './packet-sender.ts';

const flows = (JSON.parse(process.argv[2]!) as Sender[]).flatMap(({ namespace, name, targets }) =>
  targets.flatMap((target) =>
    [FORBIDDEN, ALLOWED].map((protocol) => ({
      fd: rawSocket({ namespace, family: familyOf(target as Address), protocol }),
      target: target as Address,
      bytes: Buffer.from(name),
    })),
  ),
);

function round(): void {
  for (const { fd, target, bytes } of flows) {
    try {
      sendDatagram(fd, target, bytes);
    } catch (error) {
      // No route yet, or none any more; a full queue.
      if (!(error instanceof KernelError)) throw error;
    }
  }
  setImmediate(round);
}

round();
process.stdout.write('sending\n');
