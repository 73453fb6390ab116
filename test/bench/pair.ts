/** Two hosts with a pod each, joined by a wire; and processes in the pods that talk to each other. */
import { type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { podAddress, podInterface } from './policy-world.ts';
import { benchNamespace, ip } from './stage.ts';

const HOST_MAC = 'ee:ee:ee:ee:ee:ee';
const TALK = fileURLToPath(new URL('./talk-process.ts', import.meta.url));

export interface Side {
  readonly host: string;
  readonly pod: string;
  readonly address: string;
}

/** Pod `first` on one host, pod `second` on the other, routed. */
export async function makePair(first: number, second: number): Promise<readonly [Side, Side]> {
  const side = async (index: number): Promise<Side> => {
    const made = { host: benchNamespace(), pod: benchNamespace(), address: podAddress(index) };
    const name = podInterface(index);
    await runChecked('sysctl', ['-qw', 'net.ipv4.ip_forward=1'], { namespace: made.host });
    await ip(
      made.host,
      `link set lo up
      link add ${name} address ${HOST_MAC} type veth peer name eth0 netns ${made.pod}
      link set ${name} up
      route add ${made.address}/32 dev ${name}`,
    );
    await ip(
      made.pod,
      `link set lo up
      link set eth0 up
      addr add ${made.address}/32 dev eth0
      route add 169.254.1.1 dev eth0
      neigh add 169.254.1.1 lladdr ${HOST_MAC} dev eth0
      route add default via 169.254.1.1 dev eth0`,
    );
    return made;
  };
  const left = await side(first);
  const right = await side(second);
  await ip(
    left.host,
    `link add eth0 type veth peer name eth0 netns ${right.host}
    link set eth0 up
    addr add 192.0.2.1/30 dev eth0`,
  );
  await ip(
    right.host,
    `link set eth0 up
    addr add 192.0.2.2/30 dev eth0
    route add ${left.address}/32 via 192.0.2.1`,
  );
  await ip(left.host, `route add ${right.address}/32 via 192.0.2.2`);
  return [left, right];
}

/** A talk-process in a pod. */
export class Talker {
  private constructor(private readonly child: ChildProcess) {}

  static async start(namespace: string): Promise<Talker> {
    const child = spawnIn(process.execPath, ['--import', 'tsx', TALK], {
      namespace,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    await once(child, 'message');
    return new Talker(child);
  }

  /** Asks for something and waits for its number. */
  async ask(request: TalkRequest): Promise<number> {
    const over = new AbortController();
    const { signal } = over;
    const answer = Promise.race([
      once(this.child, 'message', { signal }),
      once(this.child, 'exit', { signal }).then(() => Promise.reject(new Error('a talking process ended'))),
    ]);
    this.child.send(request);
    try {
      return Number((await answer)[0]);
    } finally {
      over.abort();
    }
  }

  async stop(): Promise<void> {
    await terminate(this.child);
  }
}

/** `serve` answers with 0 once it listens; `send` with Gbit/s; `ping` with median microseconds of a round trip. */
export type TalkRequest =
  | { readonly do: 'serve'; readonly address: string; readonly port: number }
  | {
      readonly do: 'send' | 'ping';
      readonly address: string;
      readonly port: number;
      readonly milliseconds: number;
    };
