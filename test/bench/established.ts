/**
 * What an established connection between pods on two hosts costs under policy: our table on both hosts against the
 * same wires without any table, and with a table that does no more than track connections, taking turns. What the
 * last loses to the first is the kernel's conntrack; what we lose to the last is ours.
 */
import { type TalkRequest, type Side, Talker, makePair } from './pair.ts';
import { SERVICE_PORT, pod } from './policy-world.ts';
import { median, numberFlags, ratioOfRounds, report } from './report.ts';
import { BenchNode, nftFile } from './stage.ts';

/** As many base chains on the forward hook as we have, and nothing in them but what makes the kernel track. */
const CONNTRACK_ONLY = `table inet tracked {
  chain first { type filter hook forward priority 0; policy accept; ct state established accept; }
  chain second { type filter hook forward priority 1; policy accept; ct state established accept; }
}
`;

interface Lane {
  readonly client: Talker;
  readonly server: Side;
  readonly values: number[];
}

async function lane(sides: readonly [Side, Side]): Promise<Lane> {
  const [left, right] = sides;
  const server = await Talker.start(right.pod);
  await server.ask({ do: 'serve', address: right.address, port: SERVICE_PORT });
  return { client: await Talker.start(left.pod), server: right, values: [] };
}

/** Runs the bench of that name, with the conversation that it measures. */
export async function benchEstablished(
  bench: string,
  what: Exclude<TalkRequest['do'], 'serve'>,
  unit: string,
): Promise<void> {
  const flags = numberFlags({ pods: 10_000, policies: 1_000, local: 100, runs: 9, milliseconds: 1_000 });
  const size = { pods: flags.pods, policies: flags.policies, local: flags.local, clients: '10.64.0.0/10' };
  // The second pod is remote to node `one`, and the other way round on the other host.
  const [first, second] = [0, flags.pods - 1];
  const guarded = await makePair(first, second);
  for (const [index, { host }] of guarded.entries()) {
    const node = new BenchNode(host);
    node.tell(size);
    if (index === 1) {
      node.put(pod(first, false));
      node.put(pod(second, true));
    }
    await node.apply();
    node.close();
  }
  const tracked = await makePair(first, second);
  for (const { host } of tracked) await nftFile(host, [], CONNTRACK_ONLY);
  const lanes = {
    ours: await lane(guarded),
    'conntrack-only': await lane(tracked),
    veth: await lane(await makePair(first, second)),
  };
  // The first round warms caches up.
  for (let run = 0; run <= flags.runs; run++) {
    for (const { client, server, values } of Object.values(lanes)) {
      const { address } = server;
      const value = await client.ask({
        do: what,
        address,
        port: SERVICE_PORT,
        milliseconds: flags.milliseconds,
      });
      if (run > 0) values.push(value);
    }
  }
  const { ours, ...peers } = lanes;
  const byPeer = (figure: (values: readonly number[]) => number): Record<string, number> =>
    Object.fromEntries(Object.entries(peers).map(([name, { values }]) => [name, figure(values)]));
  report({
    bench,
    variant: `${flags.policies}-policies`,
    unit,
    ours: median(ours.values),
    peers: byPeer(median),
    ratios: byPeer((values) => ratioOfRounds(unit, ours.values, values)),
    runs: flags.runs,
    notes: `TCP between pods on two hosts, one connection a run of ${flags.milliseconds} ms; both ends are Node processes`,
  });
  process.exit(0);
}
