/** Metrics as Prometheus reads them, health as a kubelet asks for it. */
import { afterEach, describe, expect, it } from 'vitest';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { pino } from 'pino';
import { agentMetrics } from '../../../src/agent/metrics.ts';
import { prometheusText } from '../../../src/agent/prometheus-text.ts';
import { type HealthFacts, Telemetry } from '../../../src/agent/telemetry.ts';
import { ManualClock } from '../../../src/base/clock.ts';
import type { BgpNeighborView } from '../../../src/base/bgp-view.ts';
import type { AgentStatus } from '../../../src/model/agent-status.ts';
import { address } from '../../../src/net/address.ts';

const STATUS: AgentStatus = {
  node: 'n1',
  version: '1.2.3',
  pid: 1,
  startedAt: '2026-01-01T00:00:00.000Z',
  datastore: { type: 'directory', inSync: true, revision: 42, invalid: [], problems: [] },
  dataplane: {
    revisionInForce: 41,
    endpoints: 3,
    policies: 2,
    ownsTable: true,
    repairs: 1,
    retries: 0,
    problems: [],
  },
  bgp: { state: 'running', peers: [] },
};
const counts = { open: 1, update: 7, notification: 0, keepalive: 20, 'route-refresh': 0 };
const NEIGHBOR: BgpNeighborView = {
  name: 'Global_192_0_2_1',
  type: 'global',
  address: address('192.0.2.1'),
  port: 179,
  asNumber: 65001,
  localAsNumber: 64512,
  state: 'Established',
  since: '2026-01-01T00:00:00.000Z',
  heldDown: false,
  timesEstablished: 2,
  info: '',
  families: [4, 6],
  reflectorClient: false,
  passive: false,
  password: false,
  nextHopMode: 'auto',
  filters: [],
  received: 5,
  stale: 1,
  advertised: 4,
  messagesReceived: counts,
  messagesSent: counts,
};

/** Samples by name and labels; what is no line of the format fails. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const known = new Set<string>();
  for (const line of text.trimEnd().split('\n')) {
    const comment = /^# (HELP|TYPE) ([a-z_:][a-z0-9_:]*) (.+)$/.exec(line);
    if (comment !== null) {
      if (comment[1] === 'TYPE') known.add(comment[2]!);
      continue;
    }
    const sample = /^([a-z_:][a-z0-9_:]*)(\{(?:[a-z_]+="(?:[^"\\\n]|\\["\\n])*",?)*\})? (\S+)$/.exec(line);
    if (sample === null) throw new Error(`no line of the format: ${line}`);
    expect(known).toContain(sample[1]!.replace(/_(sum|count)$/, ''));
    samples.set(sample[1]! + (sample[2] ?? ''), Number(sample[3]));
  }
  return samples;
}

describe('metrics', () => {
  it('have Felix’ names where they mean what Felix means, and bgp_ names by peer', () => {
    const text = prometheusText(
      agentMetrics({
        status: STATUS,
        neighbors: [NEIGHBOR],
        applies: { count: 4, failures: 1, seconds: 0.5 },
        now: Date.parse(NEIGHBOR.since) + 90_000,
      }),
    );
    const samples = parse(text);
    const peer = 'peer="Global_192_0_2_1",address="192.0.2.1",as="65001",type="global"';
    expect(Object.fromEntries(samples)).toMatchObject({
      felix_active_local_endpoints: 3,
      felix_active_local_policies: 2,
      felix_resync_state: 3,
      felix_int_dataplane_failures: 1,
      felix_int_dataplane_apply_time_seconds_sum: 0.5,
      felix_int_dataplane_apply_time_seconds_count: 4,
      margay_revision_in_force: 41,
      bgp_speaker_up: 1,
      [`bgp_peer_state{${peer}}`]: 6,
      [`bgp_peer_up{${peer}}`]: 1,
      [`bgp_peer_state_seconds{${peer}}`]: 90,
      [`bgp_peer_established_transitions_total{${peer}}`]: 2,
      [`bgp_peer_received_prefixes{${peer}}`]: 5,
      [`bgp_peer_stale_prefixes{${peer}}`]: 1,
      [`bgp_peer_advertised_prefixes{${peer}}`]: 4,
    });
    const labels = 'peer="Global_192_0_2_1",address="192.0.2.1",as="65001"';
    expect(text).toContain(`bgp_peer_messages_total{${labels},type="update",direction="sent"} 7`);
    expect(text).not.toContain('process_');
  });

  it('quote what labels may not hold', () => {
    const text = prometheusText([
      { name: 'x', type: 'gauge', help: 'a\nb', samples: [{ labels: { l: 'q"b\\n\n' }, value: Infinity }] },
    ]);
    expect(text).toBe('# HELP x a\\nb\n# TYPE x gauge\nx{l="q\\"b\\\\n\\n"} +Inf\n');
  });
});

describe('telemetry', () => {
  let health: HealthFacts = { ready: false, busyFor: undefined, detail: 'not yet' };
  const clock = new ManualClock();
  const errors: string[] = [];
  const log = pino(
    { level: 'error' },
    { write: (line: string) => errors.push((JSON.parse(line) as { reason: string }).reason) },
  );
  const telemetry = new Telemetry({
    log,
    clock,
    health: () => health,
    metrics: async () => ({
      status: STATUS,
      neighbors: [],
      applies: { count: 0, failures: 0, seconds: 0 },
    }),
  });
  const parameters = {
    healthEnabled: true,
    healthHost: '127.0.0.1',
    healthPort: 0,
    prometheusMetricsEnabled: true,
    prometheusMetricsHost: '127.0.0.1',
    prometheusMetricsPort: 0,
    prometheusProcessMetricsEnabled: true,
  };
  afterEach(() => telemetry.close());

  const get = async (port: number | undefined, path: string): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`);
    return [response.status, await response.text()];
  };

  it('serves metrics and health where it is told to, and nowhere when it is told not to', async () => {
    await telemetry.follow(parameters);
    const { metrics, health: port } = telemetry.ports;
    const [status, text] = await get(metrics, '/metrics');
    expect(status).toBe(200);
    expect(parse(text).get('process_resident_memory_bytes')).toBeGreaterThan(1e6);
    expect((await get(metrics, '/else'))[0]).toBe(404);
    expect(await get(port, '/liveness')).toEqual([200, 'not yet\n']);
    expect(await get(port, '/readiness')).toEqual([503, 'not yet\n']);
    health = { ready: true, busyFor: 100_000, detail: 'ok' };
    expect(await get(port, '/readiness')).toEqual([200, 'ok\n']);
    expect((await get(port, '/liveness'))[0]).toBe(503);
    await telemetry.follow({ ...parameters, healthEnabled: false, prometheusMetricsEnabled: false });
    expect(telemetry.ports).toEqual({ metrics: undefined, health: undefined });
    await expect(fetch(`http://127.0.0.1:${metrics}/metrics`)).rejects.toThrow();
  });

  it('tells once of a port that is taken, and serves there of its own accord when it is free', async () => {
    const owner = createServer();
    await once(owner.listen(0, '127.0.0.1'), 'listening');
    const { port } = owner.address() as AddressInfo;
    errors.length = 0;
    await telemetry.follow({ ...parameters, prometheusMetricsPort: port });
    for (let tries = 0; tries < 5; tries++) {
      clock.advance(60_000);
      await telemetry.settled();
    }
    expect(telemetry.problems).toEqual([expect.stringContaining('EADDRINUSE')]);
    expect(errors).toEqual([expect.stringContaining(`127.0.0.1:${port}`)]);
    await new Promise((resolve) => owner.close(resolve));
    clock.advance(60_000);
    await telemetry.settled();
    expect(telemetry.problems).toEqual([]);
    expect((await get(port, '/metrics'))[0]).toBe(200);
  });

  it('no longer wants a port that was taken once it is told of another', async () => {
    const owner = createServer();
    await once(owner.listen(0, '127.0.0.1'), 'listening');
    const { port } = owner.address() as AddressInfo;
    await telemetry.follow({ ...parameters, prometheusMetricsPort: port });
    await telemetry.follow(parameters);
    const served = telemetry.ports.metrics;
    await new Promise((resolve) => owner.close(resolve));
    clock.advance(60_000);
    await telemetry.settled();
    expect(telemetry.ports.metrics).toBe(served);
    await expect(fetch(`http://127.0.0.1:${port}/metrics`)).rejects.toThrow();
  });

  it('serves what another endpoint of its own has left', async () => {
    await telemetry.follow({ ...parameters, prometheusMetricsEnabled: false });
    const taken = { ...parameters, prometheusMetricsPort: telemetry.ports.health! };
    await telemetry.follow(taken);
    expect(telemetry.problems).toEqual([expect.stringContaining('EADDRINUSE')]);
    await telemetry.follow({ ...taken, healthEnabled: false });
    await telemetry.follow({ ...taken, healthEnabled: false });
    expect(telemetry.problems).toEqual([]);
    expect(telemetry.ports.metrics).toBe(taken.prometheusMetricsPort);
  });
});
