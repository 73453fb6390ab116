/** One try from one network namespace: does this port answer, and who answers? Never repeated. */
import { createSocket } from 'node:dgram';
import { Socket } from 'node:net';
import { KernelError } from '../base/errors.ts';
import { type Address, type Family, familyOf } from '../net/address.ts';
import { closeSocket, tcpSocket, udpSocket } from '../sys/socket.ts';
import { type IcmpProtocol, type IcmpRequest, icmpFamilies } from './icmp.ts';
import { askIcmp } from './icmp-socket.ts';
import type { ServedProtocol } from './responder.ts';
import { initSctp } from './sctp-socket.ts';

/** What is asked for: a port, or an answer of ICMP, which has one family. */
export type ProbeService =
  | { readonly protocol: ServedProtocol; readonly port: number; readonly icmp?: never }
  | { readonly protocol: IcmpProtocol; readonly icmp: IcmpRequest; readonly port?: never };

/** Whether the service can be asked for in a family. */
export function hasFamily({ protocol }: ProbeService, family: Family): boolean {
  return protocol === 'ICMP' || protocol === 'ICMPv6' ? icmpFamilies[protocol] === family : true;
}

/** `TCP 80`, `ICMP 8.0`. */
export function serviceText({ protocol, port, icmp }: ProbeService): string {
  return `${protocol} ${icmp === undefined ? port : `${icmp.type}.${icmp.code}`}`;
}

export type Probe = ProbeService & {
  /** Network namespace to send from, by name or path. */
  readonly namespace: string;
  readonly address: Address;
};

/**
 * `OPEN` with the name that answered, of a kernel that answers by itself none; `REFUSED` by a reset or an unreachable port; `TIMEOUT` is silence; `ERROR` is
 * any other failure, such as no route.
 */
export type ProbeResult =
  | { readonly verdict: 'OPEN'; readonly name?: string; readonly milliseconds: number }
  | { readonly verdict: 'REFUSED' | 'TIMEOUT'; readonly milliseconds: number }
  | { readonly verdict: 'ERROR'; readonly error: string; readonly milliseconds: number };

/** Milliseconds of silence that count as dropped. */
export const SILENCE = 300;

/** Sends one probe and resolves with what came of it within `timeout` milliseconds; never rejects. */
export function probe(target: Probe, timeout = SILENCE): Promise<ProbeResult> {
  const started = performance.now();
  return new Promise((resolve) => {
    let close = (): void => undefined;
    let finished = false;
    const finish = (result: Outcome): void => {
      if (finished) return;
      finished = true;
      clearTimeout(timer);
      close();
      resolve({ ...result, milliseconds: performance.now() - started });
    };
    // Timers run before sockets are polled: after a busy spell the answer may already be there, so look once more.
    const timer = setTimeout(() => setImmediate(() => finish({ verdict: 'TIMEOUT' })), timeout);
    const fail = (error: unknown): void => finish(failure(error));
    const answer = (name: string): void => finish({ verdict: 'OPEN', name });
    try {
      close =
        target.icmp === undefined
          ? SENDERS[target.protocol](target, answer, fail)
          : probeIcmp(target, target.icmp, () => finish({ verdict: 'OPEN' }), fail);
      if (finished) close();
    } catch (error) {
      fail(error);
    }
  });
}

/** A result without its time. */
type Outcome =
  | { readonly verdict: 'OPEN'; readonly name?: string }
  | { readonly verdict: 'REFUSED' | 'TIMEOUT' }
  | { readonly verdict: 'ERROR'; readonly error: string };

/** A probe of something that listens. */
type PortProbe = Extract<Probe, { readonly port: number }>;

type Send = (target: PortProbe, answer: (name: string) => void, fail: (error: unknown) => void) => () => void;

const probeTcp: Send = ({ namespace, address, port }, answer, fail) => {
  const socket = new Socket({ fd: tcpSocket({ namespace, family: familyOf(address) }) });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('end', () => {
    const name = Buffer.concat(chunks).toString('utf8');
    if (name === '') fail(new Error('closed without a word'));
    else answer(name);
  });
  socket.on('error', fail);
  socket.connect({ host: address, port });
  return () => socket.destroy();
};

const probeUdp: Send = ({ namespace, address, port }, answer, fail) => {
  const family = familyOf(address);
  const any = (family === 4 ? '0.0.0.0' : '::') as Address;
  const fd = unusedUdpSocket(namespace, any);
  const socket = createSocket(family === 4 ? 'udp4' : 'udp6');
  socket.on('message', (datagram) => answer(datagram.toString('utf8').split(' ', 1)[0]!));
  socket.on('error', fail);
  // Connected, so that an unreachable port is told to us.
  socket.on('listening', () =>
    socket.connect(port, address, (error?: Error | null) => {
      if (error) fail(error);
      else socket.send('?');
    }),
  );
  let open = true;
  try {
    socket.bind({ fd });
  } catch (error) {
    closeSocket(fd);
    throw error;
  }
  return () => {
    if (open) socket.close();
    open = false;
  };
};

/** Connection tracking remembers associations, too, so each has a port of its own. */
const probeSctp: Send = ({ namespace, address, port }, answer, fail) =>
  initSctp(
    { namespace, address, port, sourcePort: nextPort() },
    (name) => (name === undefined ? fail(refused('the association was aborted')) : answer(name)),
    fail,
  );

/** So is each request remembered, by its identifier. */
function probeIcmp(
  { namespace, address }: Probe,
  request: IcmpRequest,
  answer: () => void,
  fail: (error: unknown) => void,
): () => void {
  return askIcmp(
    { namespace, address, request, identifier: nextPort() },
    (kind) => (kind === 'reply' ? answer() : fail(refused('the request was refused'))),
    fail,
  );
}

const SENDERS: Readonly<Record<ServedProtocol, Send>> = { TCP: probeTcp, UDP: probeUdp, SCTP: probeSctp };

const FIRST_PORT = 20_000;
const LAST_PORT = 59_999;
let lastPort = FIRST_PORT + Math.floor(Math.random() * (LAST_PORT - FIRST_PORT));

function nextPort(): number {
  lastPort = lastPort === LAST_PORT ? FIRST_PORT : lastPort + 1;
  return lastPort;
}

/**
 * A UDP socket on a port that no probe before had. Connection tracking remembers a flow for minutes and lets it pass
 * whatever the policy says now; a port that came round too soon would belong to such a flow.
 */
function unusedUdpSocket(namespace: string, address: Address): number {
  for (let attempt = 1; ; attempt++) {
    try {
      return udpSocket({ namespace, address, port: nextPort() });
    } catch (error) {
      if (attempt === 10 || !(error instanceof KernelError) || error.errno !== 'EADDRINUSE') throw error;
    }
  }
}

function refused(what: string): Error {
  return Object.assign(new Error(what), { code: 'ECONNREFUSED' });
}

function failure(error: unknown): Outcome {
  const code = error instanceof Error && 'code' in error ? String(error.code) : undefined;
  if (code === 'ECONNREFUSED') return { verdict: 'REFUSED' };
  if (code === 'ETIMEDOUT') return { verdict: 'TIMEOUT' };
  return { verdict: 'ERROR', error: code ?? (error instanceof Error ? error.message : String(error)) };
}
