import { afterEach, expect, it } from 'vitest';
import type { Address } from '../../src/net/address.ts';
import { probe } from '../../src/lab/probe.ts';
import { Responder } from '../../src/lab/responder.ts';
import { startTrafficStream } from '../../src/lab/traffic-stream.ts';
import { runChecked } from '../../src/sys/process.ts';
import { closeSocket, tcpListenSocket, udpSocket } from '../../src/sys/socket.ts';
import { describeKernel, useNamespaces } from './fixture-namespace.ts';

const HOME4 = '127.0.0.1' as Address;
const HOME6 = '::1' as Address;

describeKernel('the prober', () => {
  const [first, second] = useNamespaces(2) as [string, string];
  const responder = new Responder();
  afterEach(() => responder.close());

  it('says OPEN with the name of the workload that answers, on all protocols and both families', async () => {
    const ports = [
      { protocol: 'TCP', port: 80 },
      { protocol: 'UDP', port: 80 },
      { protocol: 'SCTP', port: 80 },
    ] as const;
    await responder.serve({ name: 'x/a', namespace: first, ports });
    await responder.serve({ name: 'x/b', namespace: second, ports });
    for (const [namespace, name] of [
      [first, 'x/a'],
      [second, 'x/b'],
    ] as const) {
      for (const { protocol, port } of ports) {
        for (const address of [HOME4, HOME6]) {
          const result = await probe({ namespace, address, port, protocol });
          expect(result).toMatchObject({ verdict: 'OPEN', name });
        }
      }
    }
  });

  it('says REFUSED where nothing listens', async () => {
    for (const protocol of ['TCP', 'UDP'] as const) {
      for (const address of [HOME4, HOME6]) {
        expect(await probe({ namespace: first, address, port: 81, protocol })).toMatchObject({
          verdict: 'REFUSED',
        });
      }
    }
  });

  it('says REFUSED for an SCTP port that the workload does not serve', async () => {
    const ports = [{ protocol: 'SCTP', port: 80 }] as const;
    await responder.serve({ name: 'x/a', namespace: first, ports });
    for (const address of [HOME4, HOME6]) {
      expect(await probe({ namespace: first, address, port: 81, protocol: 'SCTP' })).toMatchObject({
        verdict: 'REFUSED',
      });
    }
  });

  it('says OPEN where a kernel answers ICMP, whatever the code, and apart for each request', async () => {
    const requests = [
      { address: HOME4, protocol: 'ICMP', icmp: { type: 8, code: 0 } },
      { address: HOME4, protocol: 'ICMP', icmp: { type: 8, code: 5 } },
      { address: HOME4, protocol: 'ICMP', icmp: { type: 13, code: 0 } },
      { address: HOME6, protocol: 'ICMPv6', icmp: { type: 128, code: 0 } },
      { address: HOME6, protocol: 'ICMPv6', icmp: { type: 128, code: 5 } },
    ] as const;
    const results = await Promise.all(
      [first, second].flatMap((namespace) => requests.map((one) => probe({ namespace, ...one }))),
    );
    expect(results.map(({ verdict }) => verdict)).toEqual(results.map(() => 'OPEN'));
  });

  it('says TIMEOUT where ICMP is dropped, and REFUSED where it is rejected', async () => {
    const filter = (verdict: string): Promise<string> =>
      runChecked('nft', ['-f', '-'], {
        namespace: first,
        input: `table inet filter
delete table inet filter
table inet filter {
  chain input {
    type filter hook input priority 0
    icmp type echo-request ${verdict}
    icmpv6 type echo-request ${verdict}
  }
}
`,
      });
    const ask = () =>
      Promise.all([
        probe({ namespace: first, address: HOME4, protocol: 'ICMP', icmp: { type: 8, code: 0 } }, 60),
        probe({ namespace: first, address: HOME6, protocol: 'ICMPv6', icmp: { type: 128, code: 0 } }, 60),
      ]);
    await filter('drop');
    expect((await ask()).map(({ verdict }) => verdict)).toEqual(['TIMEOUT', 'TIMEOUT']);
    await filter('reject');
    expect((await ask()).map(({ verdict }) => verdict)).toEqual(['REFUSED', 'REFUSED']);
    await filter('accept');
    expect((await ask()).map(({ verdict }) => verdict)).toEqual(['OPEN', 'OPEN']);
  });

  it('says TIMEOUT after the given silence', async () => {
    const silent = udpSocket({ namespace: first, address: HOME4, port: 82 });
    // Bound but not listening, so that a connection is refused; UDP just stays silent.
    const idle = tcpListenSocket({ namespace: first, address: HOME4, port: 82 });
    try {
      const udp = await probe({ namespace: first, address: HOME4, port: 82, protocol: 'UDP' }, 60);
      expect(udp.verdict).toBe('TIMEOUT');
      expect(udp.milliseconds).toBeGreaterThanOrEqual(59);
      expect(udp.milliseconds).toBeLessThan(300);
      const tcp = await probe({ namespace: first, address: HOME4, port: 82, protocol: 'TCP' }, 60);
      expect(tcp.verdict).toBe('REFUSED');
    } finally {
      closeSocket(silent);
      closeSocket(idle);
    }
  });

  it('says ERROR where there is no route or no namespace', async () => {
    const nowhere = '192.0.2.1' as Address;
    for (const protocol of ['TCP', 'UDP'] as const) {
      const result = await probe({ namespace: first, address: nowhere, port: 80, protocol });
      expect(result).toMatchObject({ verdict: 'ERROR', error: 'ENETUNREACH' });
    }
    const missing = await probe({ namespace: 'mgt-missing', address: nowhere, port: 80, protocol: 'TCP' });
    expect(missing.verdict).toBe('ERROR');
  });

  it('answers five hundred probes at once', async () => {
    const ports = [
      { protocol: 'TCP', port: 80 },
      { protocol: 'UDP', port: 80 },
    ] as const;
    await responder.serve({ name: 'x/a', namespace: first, ports });
    const results = await Promise.all(
      Array.from({ length: 500 }, (_, index) =>
        probe({
          namespace: first,
          address: index % 4 < 2 ? HOME4 : HOME6,
          port: 80,
          protocol: index % 2 === 0 ? 'TCP' : 'UDP',
        }),
      ),
    );
    expect(results.filter((result) => result.verdict !== 'OPEN')).toEqual([]);
  });

  it('counts what a stream loses while nobody answers', async () => {
    const workload = { name: 'x/a', namespace: first, ports: [{ protocol: 'UDP', port: 80 }] } as const;
    await responder.serve(workload);
    const stream = startTrafficStream({ namespace: first, address: HOME4, port: 80, interval: 2 });
    const until = async (condition: () => boolean): Promise<void> => {
      while (!condition()) {
        await new Promise((resolve) => {
          setTimeout(resolve, 1);
        });
      }
    };
    await until(() => stream.progress().received >= 10);
    responder.stop('x/a');
    const sent = stream.progress().sent;
    await until(() => stream.progress().sent >= sent + 10);
    await responder.serve(workload);
    const received = stream.progress().received;
    await until(() => stream.progress().received >= received + 10);
    const report = await stream.stop();
    expect(report.lost).toBeGreaterThanOrEqual(9);
    expect(report.lostRanges).toHaveLength(1);
    expect(report.received).toBe(report.sent - report.lost);
    expect(report.longestGap).toBeGreaterThan(15);
  });
});
