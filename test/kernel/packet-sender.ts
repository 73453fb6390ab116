/** A process that sends packets without a pause, so that some leave in the first microsecond in which they can. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Family } from '../../src/net/address.ts';
import { readDatagrams } from '../../src/netlink/datagram-reader.ts';
import { closeSocket, rawSocket } from '../../src/sys/socket.ts';

/** Protocols for experiments (RFC 3692, RFC 4727). */
export const FORBIDDEN = 253;
export const ALLOWED = 254;

export interface Sender {
  readonly namespace: string;
  /** What its packets say. */
  readonly name: string;
  /** Addresses that it sends to. */
  readonly targets: readonly string[];
}

/** Starts the process; resolves when the first round was sent, with what ends it. */
export async function startSenders(senders: readonly Sender[]): Promise<() => Promise<void>> {
  const script = fileURLToPath(new URL('packet-sender-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(senders)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await once(child.stdout, 'data');
  return async () => {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  };
}

/** Listens for one protocol in a namespace: `heard` has every `NAME/FAMILY` that a packet said. */
export function listenFor(
  namespace: string,
  protocol: number,
): { readonly heard: ReadonlySet<string>; readonly close: () => void } {
  const heard = new Set<string>();
  const closers = ([4, 6] as const).map((family: Family) => {
    const fd = rawSocket({ namespace, family, protocol });
    const reader = readDatagrams(
      fd,
      (bytes) => {
        const payload = family === 4 ? bytes.subarray((bytes[0]! & 0x0f) * 4) : bytes;
        heard.add(`${payload.toString()}/${family}`);
      },
      (_, cause) => {
        throw cause;
      },
    );
    return (): void => {
      reader.stop();
      closeSocket(fd);
    };
  });
  return {
    heard,
    close: () => {
      for (const close of closers) close();
    },
  };
}
