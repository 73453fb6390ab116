import { describe, expect, it } from 'vitest';
import { felixEnvironment, felixFile } from '../../../src/model/felix-settings.ts';

describe("Felix' parameters in an environment", () => {
  it.each([
    ['FELIX_DEFAULTENDPOINTTOHOSTACTION', 'ACCEPT', { defaultEndpointToHostAction: 'Accept' }],
    ['FELIX_DefaultEndpointToHostAction', 'return', { defaultEndpointToHostAction: 'Return' }],
    ['felix_nftablesfilterdenyaction', 'REJECT', { nftablesFilterDenyAction: 'Reject' }],
    ['FELIX_IPV6SUPPORT', 'false', { ipv6Support: false }],
    ['FELIX_IPV6SUPPORT', '1', { ipv6Support: true }],
    ['FELIX_NFTABLESMARKMASK', '0xff000000', { nftablesMarkMask: 0xff000000 }],
    ['FELIX_NFTABLESREFRESHINTERVAL', '90', { nftablesRefreshInterval: '90s' }],
    ['FELIX_NFTABLESREFRESHINTERVAL', '0.5', { nftablesRefreshInterval: '0.5s' }],
    ['FELIX_ROUTEREFRESHINTERVAL', '2m', { routeRefreshInterval: '2m' }],
    ['FELIX_LOGPREFIX', '100', { logPrefix: '100' }],
    ['FELIX_LOGACTIONRATELIMIT', '10/minute', { logActionRateLimit: '10/minute' }],
    ['FELIX_LOGACTIONRATELIMITBURST', '7', { logActionRateLimitBurst: 7 }],
    ['FELIX_INTERFACEPREFIX', 'cali,tap', { interfacePrefix: 'cali,tap' }],
    ['FELIX_NATPORTRANGE', '32768:65535', { natPortRange: '32768:65535' }],
    ['FELIX_SERVICELOOPPREVENTION', 'disabled', { serviceLoopPrevention: 'Disabled' }],
    ['FELIX_VXLANPORT', '8472', { vxlanPort: 8472 }],
    ['FELIX_IPINIPMTU', '1440', { ipipMTU: 1440 }],
    ['FELIX_REPORTINGINTERVALSECS', '30', { reportingInterval: '30s' }],
    ['FELIX_KUBENODEPORTRANGES', '30000:32767,40000', { kubeNodePortRanges: ['30000:32767', 40000] }],
    [
      'FELIX_ROUTETABLERANGES',
      '1-250,300-400',
      {
        routeTableRanges: [
          { min: 1, max: 250 },
          { min: 300, max: 400 },
        ],
      },
    ],
    ['FELIX_FAILSAFEINBOUNDHOSTPORTS', 'none', { failsafeInboundHostPorts: [] }],
    [
      'FELIX_FAILSAFEINBOUNDHOSTPORTS',
      'tcp:22, udp:10.0.0.0/8:68, tcp:[fd00::/8]:23, 24, sctp:0.0.0.0/0:25',
      {
        failsafeInboundHostPorts: [
          { protocol: 'tcp', port: 22 },
          { protocol: 'udp', port: 68, net: '10.0.0.0/8' },
          { protocol: 'tcp', port: 23, net: 'fd00::/8' },
          { protocol: 'tcp', port: 24 },
          { protocol: 'sctp', port: 25, net: '0.0.0.0/0' },
        ],
      },
    ],
  ])('%s=%s', (name, value, spec) => {
    expect(felixEnvironment({ [name]: value })).toEqual({ spec, unknown: [] });
  });

  it('leave alone what is empty, what is no parameter, and how much is logged', () => {
    const environment = {
      FELIX_LOGPREFIX: '',
      FELIX_LOGSEVERITYSCREEN: 'trace',
      FELIX_TYPHAADDR: 'x',
      PATH: 'y',
    };
    expect(felixEnvironment(environment)).toEqual({ spec: {}, unknown: ['FELIX_TYPHAADDR'] });
  });

  it.each([
    ['FELIX_DEFAULTENDPOINTTOHOSTACTION', 'DORP'],
    ['FELIX_IPV6SUPPORT', 'perhaps'],
    ['FELIX_FAILSAFEINBOUNDHOSTPORTS', 'tcp:ssh'],
    ['FELIX_VXLANPORT', '70000'],
  ])('refuse %s=%s, and say where to look', (name, value) => {
    expect(() => felixEnvironment({ [name]: value })).toThrow(new RegExp(`${name} cannot be "${value}"`));
  });
});

describe("Felix' parameters in a file", () => {
  it('are lines of name and value, with comments and a section', () => {
    const text =
      '[global]\n# a comment\n; another\nLogPrefix = mine # no comment\nIpv6Support=false\n\nVXLANPort: 1\n';
    expect(felixFile(text, 'f').spec).toEqual({
      logPrefix: 'mine # no comment',
      ipv6Support: false,
      vxlanPort: 1,
    });
  });

  it('are refused with the line', () => {
    expect(() => felixFile('LogPrefix = x\nnonsense', 'f')).toThrow(/f:2: not a setting/);
    expect(() => felixFile('\nVXLANPort = no', 'f')).toThrow(/f:2: VXLANPort cannot be "no"/);
    expect(felixFile('Nonsense = 1', 'f').unknown).toEqual(['f:1: Nonsense']);
  });
});
