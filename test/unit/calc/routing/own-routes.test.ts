import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { OwnRoutes } from '../../../../src/calc/routing/own-routes.ts';
import type { BlockAffinity } from '../../../../src/model/kinds/block-affinity.ts';
import { type Prefix, prefix, prefixContains } from '../../../../src/net/prefix.ts';

type Affinity = BlockAffinity['spec'];

const confirmed: Affinity = {
  state: 'confirmed',
  node: 'one',
  type: 'host',
  cidr: prefix('10.0.0.0/26'),
  deleted: false,
};

describe('OwnRoutes', () => {
  it('counts only confirmed claims of this host', () => {
    const routes = new OwnRoutes('one');
    routes.setAffinity('a', confirmed);
    routes.setAffinity('b', { ...confirmed, cidr: prefix('10.0.0.64/26'), state: 'pending' });
    routes.setAffinity('c', { ...confirmed, cidr: prefix('10.0.0.128/26'), node: 'two' });
    routes.setAffinity('d', { ...confirmed, cidr: prefix('10.0.0.192/26'), deleted: true });
    routes.setAffinity('e', { ...confirmed, cidr: prefix('10.0.1.0/26'), type: 'virtual' });
    expect(routes.blocks).toEqual(['10.0.0.0/26']);
    routes.setAffinity('a', { ...confirmed, state: 'pendingDeletion' });
    expect(routes.blocks).toEqual([]);
  });

  it('lists a borrowed address until its last workload goes', () => {
    const routes = new OwnRoutes('one');
    routes.setAffinity('a', confirmed);
    routes.setWorkload('n/a', [prefix('10.0.0.5'), prefix('10.0.9.1')]);
    routes.setWorkload('n/b', [prefix('10.0.9.1')]);
    expect(routes.outsideWorkloads).toEqual(['10.0.9.1/32']);
    routes.setWorkload('n/a', undefined);
    expect(routes.outsideWorkloads).toEqual(['10.0.9.1/32']);
    routes.setWorkload('n/b', undefined);
    expect(routes.outsideWorkloads).toEqual([]);
  });

  it('agrees with a count from scratch after any changes', () => {
    const block = fc.constantFrom('10.0.0.0/30', '10.0.0.4/30', '10.0.0.8/32', 'fd00::/126').map(prefix);
    const host = fc
      .constantFrom('10.0.0.1', '10.0.0.5', '10.0.0.8', '10.0.0.9', 'fd00::1', 'fd00::9')
      .map((text) => prefix(text));
    const change = fc.oneof(
      fc.record({
        block: fc.record({ key: fc.constantFrom('a', 'b', 'c'), cidr: fc.option(block, { nil: undefined }) }),
      }),
      fc.record({
        workload: fc.record({
          key: fc.constantFrom('x', 'y', 'z'),
          hosts: fc.option(fc.uniqueArray(host, { maxLength: 3 }), { nil: undefined }),
        }),
      }),
      fc.record({ look: fc.constant(true) }),
    );
    fc.assert(
      fc.property(fc.array(change, { maxLength: 30 }), (changes) => {
        const routes = new OwnRoutes('one');
        const blocks = new Map<string, Prefix>();
        const workloads = new Map<string, readonly Prefix[]>();
        const check = (): void => {
          const own = [...new Set(blocks.values())];
          const hosts = [...new Set([...workloads.values()].flat())];
          expect(routes.blocks).toEqual(own.toSorted());
          expect(routes.outsideWorkloads).toEqual(
            hosts.filter((one) => !own.some((other) => prefixContains(other, one))).toSorted(),
          );
        };
        for (const step of changes) {
          if ('block' in step) {
            const { key, cidr } = step.block;
            routes.setAffinity(key, cidr === undefined ? undefined : { ...confirmed, cidr });
            if (cidr === undefined) blocks.delete(key);
            else blocks.set(key, cidr);
          } else if ('workload' in step) {
            const { key, hosts } = step.workload;
            routes.setWorkload(key, hosts);
            if (hosts === undefined) workloads.delete(key);
            else workloads.set(key, hosts);
          } else {
            check();
          }
        }
        check();
      }),
    );
  });
});
