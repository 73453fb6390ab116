import { describe, expect, it } from 'vitest';
import { FelixConfig } from '../../../src/calc/felix-config.ts';
import type { FelixConfiguration } from '../../../src/model/kinds/felix-configuration.ts';

const object = (
  spec: FelixConfiguration['spec'],
  annotations: Readonly<Record<string, string>> = {},
): Pick<FelixConfiguration, 'metadata' | 'spec'> => ({ metadata: { name: 'any', annotations }, spec });

describe('FelixConfig', () => {
  it('gives the defaults once when nothing is configured', () => {
    const config = new FelixConfig('one');
    expect(config.flush()).toMatchObject({
      interfacePrefixes: ['cali'],
      defaultEndpointToHostAction: 'Drop',
      nftablesMarkMask: 0xffff0000,
      deviceRouteProtocol: 80,
    });
    expect(config.flush()).toBeUndefined();
  });

  it('lets the more specific object win, field by field', () => {
    const config = new FelixConfig('one');
    config.setObject('node.one', object({ logPrefix: 'own' }));
    config.setObject('node.two', object({ logPrefix: 'other' }));
    config.setObject(
      'rack-a',
      object({
        nodeSelector: "rack == 'a'",
        logPrefix: 'rack',
        interfacePrefix: 'tap, cali',
      }),
    );
    config.setObject('rack-b', object({ nodeSelector: "rack == 'b'", deviceRouteProtocol: 99 }));
    config.setObject(
      'default',
      object({ logPrefix: 'all', interfacePrefix: 'eth', nftablesRefreshInterval: '1m' }),
    );
    config.setNodeLabels(new Map([['rack', 'a']]));
    expect(config.flush()).toMatchObject({
      logPrefix: 'own',
      interfacePrefixes: ['tap', 'cali'],
      nftablesRefreshInterval: 60_000,
      deviceRouteProtocol: 80,
    });
    config.setNodeLabels(new Map([['rack', 'b']]));
    expect(config.flush()).toMatchObject({ interfacePrefixes: ['eth'], deviceRouteProtocol: 99 });
    config.setObject('node.one', undefined);
    expect(config.flush()).toMatchObject({ logPrefix: 'all' });
  });

  it("lets Margay's own options be said by annotation, the more specific object first", () => {
    const flush = (value: string) => ({ 'policy.margay.io/flush-on-change': value });
    const config = new FelixConfig('one');
    expect(config.flush()).toMatchObject({ flushOnChange: false });
    config.setObject('default', object({}, flush('true')));
    expect(config.flush()).toMatchObject({ flushOnChange: true });
    config.setObject('node.one', object({}, flush('false')));
    expect(config.flush()).toMatchObject({ flushOnChange: false });
  });

  it('says nothing when a change makes no difference here', () => {
    const config = new FelixConfig('one');
    config.flush();
    config.setObject('node.two', object({ logPrefix: 'other' }));
    config.setObject('default', object({ logPrefix: 'calico-packet' }));
    expect(config.flush()).toBeUndefined();
  });
});
