import { describe, expect, it } from 'vitest';
import { type Bench, NOWHERE, PLAN, errnoOf } from './bench.ts';

export function describeLinks(bench: Bench): void {
  describe('links', () => {
    it('begins with the loopback, index 1, up', async () => {
      expect(await bench.near.links()).toMatchObject([
        { index: 1, name: 'lo', loopback: true, up: true, carrier: true, mtu: 65536 },
      ]);
      expect(await bench.near.link(1)).toEqual(await bench.near.link('lo'));
    });

    it('has no link of another name or index', async () => {
      expect(await bench.near.link('nowhere')).toBeUndefined();
      expect(await bench.near.link(NOWHERE)).toBeUndefined();
      expect(await errnoOf(bench.near.changeLink(NOWHERE, { up: true }))).toBe('ENODEV');
      expect(await errnoOf(bench.near.deleteLink(NOWHERE))).toBe('ENODEV');
    });

    it('makes a veth pair across namespaces with all its settings at once', async () => {
      await bench.near.createLink({
        kind: 'veth',
        name: 'cali0',
        mtu: 1400,
        mac: 'ee:ee:ee:ee:ee:ee',
        alias: 'margay: default/pod',
        up: true,
        peer: { name: 'eth0', namespace: bench.farName, mtu: 1400, mac: '02:00:00:00:00:01' },
      });
      const host = (await bench.near.link('cali0'))!;
      const pod = (await bench.far.link('eth0'))!;
      expect(host).toMatchObject({
        kind: 'veth',
        mtu: 1400,
        mac: 'ee:ee:ee:ee:ee:ee',
        alias: 'margay: default/pod',
        loopback: false,
        up: true,
        carrier: false,
        link: pod.index,
      });
      expect(pod).toMatchObject({ kind: 'veth', mtu: 1400, mac: '02:00:00:00:00:01', up: false });
      expect(pod.link).toBe(host.index);
      expect(await bench.near.link('eth0')).toBeUndefined();
    });

    it('has a carrier on a veth when both ends are up', async () => {
      await bench.wire();
      expect(await bench.near.link('wire')).toMatchObject({ up: true, carrier: true });
      await bench.far.changeLink((await bench.far.link('wire'))!.index, { up: false });
      expect(await bench.near.link('wire')).toMatchObject({ up: true, carrier: false });
    });

    it('refuses a name that is taken, on either end, and leaves nothing behind', async () => {
      await bench.near.createLink({ kind: 'bridge', name: 'one' });
      expect(await errnoOf(bench.near.createLink({ kind: 'bridge', name: 'one' }))).toBe('EEXIST');
      expect(await errnoOf(bench.near.createLink({ kind: 'veth', name: 'two', peer: { name: 'one' } }))).toBe(
        'EEXIST',
      );
      expect((await bench.near.links()).map((link) => link.name)).toEqual(['lo', 'one']);
    });

    it('refuses what a link cannot have, and leaves nothing behind', async () => {
      const bridge = { kind: 'bridge' } as const;
      expect(await errnoOf(bench.near.createLink({ ...bridge, name: 'sixteen-letters-' }))).toBe('ERANGE');
      expect(await errnoOf(bench.near.createLink({ ...bridge, name: 'a/b' }))).toBe('EINVAL');
      expect(await errnoOf(bench.near.createLink({ ...bridge, name: 'b', mtu: 60 }))).toBe('EINVAL');
      expect(await errnoOf(bench.near.createLink({ ...bridge, name: 'b', alias: 'x'.repeat(300) }))).toBe(
        'ERANGE',
      );
      expect(
        await errnoOf(
          bench.near.createLink({ kind: 'veth', name: 'b', peer: { name: 'c', namespace: '/none' } }),
        ),
      ).toBe('ENOENT');
      expect((await bench.near.links()).map((link) => link.name)).toEqual(['lo']);
    });

    it('changes name, MTU, MAC, alias and state', async () => {
      await bench.near.createLink({ kind: 'veth', name: 'old', peer: { name: 'peer' } });
      const { index } = (await bench.near.link('old'))!;
      await bench.near.changeLink(index, { name: 'new', mtu: 9000, mac: '02:00:00:00:00:02', alias: 'mine' });
      expect(await bench.near.link('old')).toBeUndefined();
      expect(await bench.near.link('new')).toMatchObject({
        index,
        mtu: 9000,
        mac: '02:00:00:00:00:02',
        alias: 'mine',
        up: false,
      });
      await bench.near.changeLink(index, { up: true, alias: '' });
      const link = (await bench.near.link(index))!;
      expect(link.up).toBe(true);
      expect(link.alias).toBeUndefined();
      expect(await errnoOf(bench.near.changeLink(index, { name: 'peer' }))).toBe('EEXIST');
      expect(await errnoOf(bench.near.changeLink(index, { mtu: 60 }))).toBe('EINVAL');
    });

    it('puts ports into a bridge and takes them out', async () => {
      await bench.near.createLink({ kind: 'bridge', name: 'bridge' });
      await bench.near.createLink({ kind: 'veth', name: 'port', peer: { name: 'peer' } });
      const bridge = (await bench.near.link('bridge'))!;
      const port = (await bench.near.link('port'))!;
      await bench.near.changeLink(port.index, { master: bridge.index });
      expect((await bench.near.link('port'))!.master).toBe(bridge.index);
      await bench.near.changeLink(port.index, { master: 0 });
      expect((await bench.near.link('port'))!.master).toBeUndefined();
      await bench.near.changeLink(port.index, { master: bridge.index });
      await bench.near.deleteLink(bridge.index);
      expect((await bench.near.link('port'))!.master).toBeUndefined();
    });

    it('moves a link to another namespace, down and bare', async () => {
      await bench.near.createLink({ kind: 'veth', name: 'host', up: true, peer: { name: 'pod' } });
      const pod = (await bench.near.link('pod'))!;
      await bench.near.changeLink(pod.index, { up: true });
      await bench.near.addAddress({ interface: pod.index, address: PLAN[4].own, prefixLength: 24 });
      await bench.near.changeLink(pod.index, { namespace: bench.farName });
      expect(await bench.near.link('pod')).toBeUndefined();
      const moved = (await bench.far.link('pod'))!;
      expect(moved).toMatchObject({ name: 'pod', kind: 'veth', up: false });
      expect(moved.mac).toBe(pod.mac);
      expect(await bench.far.addresses({ interface: moved.index, family: 4 })).toEqual([]);
      expect(
        await errnoOf(bench.near.changeLink(1, { namespace: bench.farName })),
        'the loopback stays',
      ).toBe('EINVAL');
    });

    it('deletes both ends of a veth pair', async () => {
      const link = await bench.wire();
      await bench.near.deleteLink(link.index);
      expect(await bench.near.link('wire')).toBeUndefined();
      expect(await bench.far.link('wire')).toBeUndefined();
      expect(await errnoOf(bench.near.deleteLink(link.index))).toBe('ENODEV');
      expect(await errnoOf(bench.near.deleteLink(1)), 'the loopback stays').toBe('EOPNOTSUPP');
    });
  });
}
