import { describe, expect, it } from 'vitest';
import { CalcGraph } from '../../../src/calc/graph.ts';
import { FlushScope } from '../../../src/explain/flush-scope.ts';
import { PolicyState } from '../../../src/explain/policy-state.ts';
import { parseResources } from '../../../src/model/yaml.ts';
import { keyOf } from '../../../src/model/resource.ts';

/** Two workloads of this node, `a` with a policy that wants connections cut, `b` with one that does not. */
class World {
  private readonly graph = new CalcGraph({ nodeName: 'one' });
  private readonly state = new PolicyState();
  private readonly scope = new FlushScope(this.state);

  change(text: string, isGone = false): string[] {
    for (const { resource } of parseResources(text)) {
      this.graph.update(keyOf(resource!), isGone ? undefined : resource);
    }
    const delta = this.graph.flush();
    this.state.apply(delta);
    return [...this.scope.follow(delta)].toSorted();
  }
}

const pod = (name: string, node = 'one'): string => `
apiVersion: projectcalico.org/v3
kind: WorkloadEndpoint
metadata: {name: ${name}, namespace: n, labels: {pod: ${name}}}
spec: {node: ${node}, interfaceName: cali${name}, ipNetworks: [10.0.0.${name.charCodeAt(0)}/32]}
`;
const policy = (name: string, selects: string, from: string, annotations = ''): string => `
apiVersion: projectcalico.org/v3
kind: NetworkPolicy
metadata: {name: ${name}, namespace: n, annotations: {${annotations}}}
spec: {selector: pod == "${selects}", ingress: [{action: Allow, source: {selector: ${from}}}]}
`;
const flush = (value: string): string => `policy.margay.io/flush-on-change: "${value}"`;
const felix = (value: string): string => `
apiVersion: projectcalico.org/v3
kind: FelixConfiguration
metadata: {name: default, annotations: {${flush(value)}}}
spec: {}
`;
const cutting = policy('cutting', 'a', 'has(friend)', flush('true'));
const plain = policy('plain', 'b', 'has(friend)');
const stranger = (labels: string): string => `
apiVersion: projectcalico.org/v3
kind: NetworkSet
metadata: {name: s, namespace: n, labels: {${labels}}}
spec: {nets: [192.0.2.0/24]}
`;
const all = [pod('a'), pod('b'), cutting, plain].join('---');

describe('the endpoints whose connections are judged anew', () => {
  it('are those of a policy that wants it, when it comes, changes and goes', () => {
    const world = new World();
    expect(world.change([pod('a'), pod('b'), plain].join('---'))).toEqual([]);
    expect(world.change(cutting)).toEqual(['n/a']);
    expect(world.change(policy('cutting', 'a', 'has(foe)', flush('true')))).toEqual(['n/a']);
    expect(world.change(policy('cutting', 'b', 'has(foe)', flush('true')))).toEqual(['n/a', 'n/b']);
    expect(world.change(cutting, true)).toEqual(['n/b']);
  });

  it('are all of them at the first look, as after a restart', () => {
    expect(new World().change(all)).toEqual(['n/a']);
  });

  it('are not those that another policy changes for', () => {
    const world = new World();
    world.change(all);
    expect(world.change(policy('plain', 'a', 'all()'))).toEqual([]);
    expect(world.change(pod('c', 'two'))).toEqual([]);
  });

  it('follow what its selectors select', () => {
    const world = new World();
    world.change([all, stranger('friend: x')].join('---'));
    expect(world.change(stranger('foe: x'))).toEqual(['n/a']);
    expect(world.change(stranger('other: x'))).toEqual([]);
  });

  it('include host endpoints, of this node', () => {
    const world = new World();
    const host = (name: string, node: string): string => `
apiVersion: projectcalico.org/v3
kind: HostEndpoint
metadata: {name: ${name}, labels: {host: x}}
spec: {node: ${node}, interfaceName: eth0}
`;
    const guard = (rules: string): string => `
apiVersion: projectcalico.org/v3
kind: GlobalNetworkPolicy
metadata: {name: guard, annotations: {${flush('true')}}}
spec: {selector: has(host), ingress: ${rules}}
`;
    world.change([host('h', 'one'), host('i', 'two')].join('---'));
    expect(world.change(guard('[{action: Allow}]'))).toEqual(['HostEndpoint/h']);
    expect(world.change(guard('[{action: Deny}]'))).toEqual(['HostEndpoint/h']);
    expect(world.change(guard('[]'), true)).toEqual(['HostEndpoint/h']);
  });

  it('are those of every policy that does not refuse, where FelixConfiguration says so', () => {
    const world = new World();
    world.change([all, policy('never', 'c', 'all()', flush('false')), pod('c')].join('---'));
    expect(world.change(felix('true'))).toEqual(['n/b']);
    expect(world.change(policy('plain', 'b', 'has(foe)'))).toEqual(['n/b']);
    expect(world.change(policy('never', 'c', 'has(foe)', flush('false')))).toEqual([]);
    expect(world.change(felix('false'))).toEqual(['n/b']);
    expect(world.change(policy('plain', 'b', 'has(friend)'))).toEqual([]);
  });
});
