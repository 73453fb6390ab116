/** The speakers that a BGP bench measures, each started with the same peers: ours, BIRD, FRR, GoBGP. */
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFile, mkdtemp, rm, writeFile, chmod } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { build } from 'esbuild';
import { DEFAULT_GRACEFUL_RESTART, type PeerConfig, type SpeakerConfig } from '../../../src/bgp/config.ts';
import { DEFAULT_DECISION } from '../../../src/bgp/rib/decision.ts';
import { address } from '../../../src/net/address.ts';
import { prefix } from '../../../src/net/prefix.ts';
import { runChecked, spawnIn, terminate } from '../../../src/sys/process.ts';

export const SPEAKER_ADDRESS = '10.99.0.1';
export const SPEAKER_AS = 65_000;

export interface SpeakerPeer {
  readonly address: string;
  readonly asNumber: number;
  /** Is told what the others tell. */
  readonly receives: boolean;
  readonly holdTime: number;
}

export interface SpeakerTask {
  readonly namespace: string;
  readonly peers: readonly SpeakerPeer[];
  /** Learned routes go into the kernel. */
  readonly kernel: boolean;
  /** Offers graceful restart to its peers (RFC 4724). */
  readonly restarts: boolean;
}

export interface RunningSpeaker {
  /** Whose time and memory count. */
  readonly pids: readonly number[];
  /** kill -9, and starts anew as after a crash; resolves with the time of the start, in ms of the monotonic clock. */
  restart(): Promise<number>;
  stop(): Promise<void>;
}

export type SpeakerName = 'ours' | 'bird' | 'frr' | 'gobgp';

export const SPEAKERS: Readonly<Record<SpeakerName, (task: SpeakerTask) => Promise<RunningSpeaker>>> = {
  ours,
  bird,
  frr,
  gobgp,
};

interface Program {
  readonly command: string;
  readonly args: readonly string[];
}

/** Programs that read files of a folder made for them; `restarted`: after a crash. */
async function launch(
  namespace: string,
  files: Readonly<Record<string, string>>,
  programs: (folder: string, restarted: boolean) => readonly Program[],
  owner?: { readonly user: string },
): Promise<RunningSpeaker> {
  const folder = await mkdtemp(join(tmpdir(), 'margay-bench-bgp-'));
  await chmod(folder, 0o755);
  for (const [name, text] of Object.entries(files)) await writeFile(join(folder, name), text);
  if (owner !== undefined) await runChecked('chown', ['-R', `${owner.user}:${owner.user}`, folder]);
  const start = (restarted: boolean): ChildProcess[] =>
    programs(folder, restarted).map(({ command, args }) =>
      spawnIn(command, args, { namespace, stdio: ['ignore', 'ignore', 'inherit'] }),
    );
  let children = start(false);
  return {
    get pids() {
      return children.map(({ pid }) => pid!);
    },
    async restart() {
      const ended = children.map((child) => once(child, 'exit'));
      for (const child of children) child.kill('SIGKILL');
      await Promise.all(ended);
      const at = Number(process.hrtime.bigint()) / 1e6;
      children = start(true);
      return at;
    },
    async stop() {
      for (const child of children.toReversed()) await terminate(child);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function ours({ namespace, peers, kernel }: SpeakerTask): Promise<RunningSpeaker> {
  const internal = ({ asNumber }: SpeakerPeer): boolean => asNumber === SPEAKER_AS;
  const config: SpeakerConfig = {
    asNumber: SPEAKER_AS,
    routerId: address(SPEAKER_ADDRESS),
    listen: { port: 179, addresses: [address(SPEAKER_ADDRESS)] },
    nodeAddresses: { 4: address(SPEAKER_ADDRESS) },
    ...(peers.some(internal) ? { clusterId: address(SPEAKER_ADDRESS) } : {}),
    peers: peers.map((peer): PeerConfig => ({
      name: peer.address,
      type: 'global',
      address: address(peer.address),
      port: 179,
      asNumber: peer.asNumber,
      localAsNumber: SPEAKER_AS,
      families: [4],
      passive: true,
      reflectorClient: internal(peer),
      nextHopMode: 'auto',
      restartTime: 60,
      holdTime: peer.holdTime,
      allowedOwnAs: 0,
      filters: peer.receives ? [] : ['nothing'],
    })),
    blocks: [],
    outsideWorkloads: [],
    serviceAddresses: [],
    pools: [{ cidr: prefix('0.0.0.0/0'), exported: true }],
    services: [],
    advertisements: [],
    aggregates: [],
    filters: { nothing: { import: [], export: [{ action: 'reject', family: 4 }] } },
    kernel: { protocol: 81, table: 254, metric: { 4: 1024, 6: 1024 }, install: kernel },
    gracefulRestart: DEFAULT_GRACEFUL_RESTART,
    decision: DEFAULT_DECISION,
  };
  const script = await bundle();
  const restarting = { ...config, gracefulRestart: { ...config.gracefulRestart, restarting: true } };
  const files = { 'config.json': JSON.stringify(config), 'restarting.json': JSON.stringify(restarting) };
  return launch(namespace, files, (folder, restarted) => {
    const file = join(folder, restarted ? 'restarting.json' : 'config.json');
    return [{ command: process.execPath, args: [...OUR_FLAGS, script, file] }];
  });
}

/** For profiles of our speaker: flags of its node process. */
const OUR_FLAGS = (process.env['MARGAY_BENCH_NODE_FLAGS'] ?? '').split(' ').filter((flag) => flag !== '');

let bundled: Promise<string> | undefined;
let bundleFolder: string | undefined;

/** Our speaker alone, as the agent's bundle would have it. */
function bundle(): Promise<string> {
  bundled ??= (async () => {
    bundleFolder = await mkdtemp(join(tmpdir(), 'margay-bench-speaker-'));
    const outfile = join(bundleFolder, 'speaker.cjs');
    await build({
      entryPoints: [new URL('speaker-process.ts', import.meta.url).pathname],
      outfile,
      bundle: true,
      platform: 'node',
      target: 'node20',
      format: 'cjs',
      logLevel: 'warning',
      plugins: [
        {
          name: 'koffi-beside',
          setup(builder) {
            builder.onResolve({ filter: /^koffi$/ }, () => ({ path: './koffi.node', external: true }));
          },
        },
      ],
    });
    const koffi = dirname(createRequire(import.meta.url).resolve('koffi'));
    const native = `koffi-linux-${process.arch}`;
    const from = join(koffi, '..', '@koromix', native, `linux_${process.arch}`, 'koffi.node');
    await copyFile(from, join(bundleFolder, 'koffi.node'));
    return outfile;
  })();
  return bundled;
}

/** Removes what {@link ours} has built. */
export async function removeBundle(): Promise<void> {
  if (bundleFolder !== undefined) await rm(bundleFolder, { recursive: true, force: true });
}

function bird({ namespace, peers, kernel, restarts }: SpeakerTask): Promise<RunningSpeaker> {
  const sessions = peers.map(
    (peer, index) => `
protocol bgp p${index} from one {
  neighbor ${peer.address} as ${peer.asNumber};
  hold time ${peer.holdTime};
  ${peer.asNumber === SPEAKER_AS ? 'rr client;' : ''}
  ipv4 { import all; export ${peer.receives ? 'all' : 'none'}; ${peer.asNumber === SPEAKER_AS ? '' : 'next hop self;'} };
}`,
  );
  const config = `
router id ${SPEAKER_ADDRESS};
protocol device { scan time 600; }
${kernel ? 'protocol direct { ipv4; }\nprotocol kernel { ipv4 { import none; export where source = RTS_BGP; }; scan time 600; }' : ''}
template bgp one { local ${SPEAKER_ADDRESS} as ${SPEAKER_AS}; passive on; graceful restart ${restarts ? 'on' : 'aware'}; }
${sessions.join('')}
`;
  return launch(namespace, { 'bird.conf': config }, (folder, restarted) => {
    const args = ['-f', '-c', join(folder, 'bird.conf'), '-s', join(folder, 'bird.ctl')];
    return [{ command: 'bird', args: restarted ? [...args, '-R'] : args }];
  });
}

function frr({ namespace, peers, kernel, restarts }: SpeakerTask): Promise<RunningSpeaker> {
  const group = (peer: SpeakerPeer): string => (peer.receives ? 'monitors' : 'feeders');
  const lines = [
    'frr defaults datacenter',
    'ip prefix-list none seq 5 deny any',
    `router bgp ${SPEAKER_AS}`,
    ` bgp router-id ${SPEAKER_ADDRESS}`,
    ' no bgp ebgp-requires-policy',
    ...(restarts ? [' bgp graceful-restart', ' bgp graceful-restart preserve-fw-state'] : []),
    ...['feeders', 'monitors'].flatMap((name) => [
      ` neighbor ${name} peer-group`,
      ` neighbor ${name} disable-connected-check`,
      ` neighbor ${name} passive`,
      ` neighbor ${name} timers ${Math.floor((peers[0]?.holdTime ?? 180) / 3)} ${peers[0]?.holdTime ?? 180}`,
    ]),
    ...peers.flatMap((peer) => [
      ` neighbor ${peer.address} remote-as ${peer.asNumber}`,
      ` neighbor ${peer.address} peer-group ${group(peer)}`,
    ]),
    ' address-family ipv4 unicast',
    '  neighbor feeders prefix-list none out',
    ...peers
      .filter(({ asNumber }) => asNumber === SPEAKER_AS)
      .map((peer) => `  neighbor ${peer.address} route-reflector-client`),
    ' exit-address-family',
    'exit',
  ];
  const files = { 'bgpd.conf': `${lines.join('\n')}\n`, 'zebra.conf': '' };
  return launch(
    namespace,
    files,
    (folder) => {
      const common = (daemon: string): string[] => [
        `--config_file=${join(folder, `${daemon}.conf`)}`,
        `--pid_file=${join(folder, `${daemon}.pid`)}`,
        `--socket=${join(folder, 'zserv.api')}`,
        `--vty_socket=${folder}`,
        '--vty_port=0',
        '--user=frr',
        '--group=frr',
      ];
      const bgpd = {
        command: '/usr/lib/frr/bgpd',
        args: [...common('bgpd'), ...(kernel ? [] : ['-Z']), '-p', '179'],
      };
      return kernel ? [{ command: '/usr/lib/frr/zebra', args: common('zebra') }, bgpd] : [bgpd];
    },
    { user: 'frr' },
  );
}

function gobgp({ namespace, peers, restarts }: SpeakerTask): Promise<RunningSpeaker> {
  const all = peers.every(({ receives }) => receives);
  const monitors = peers.filter(({ receives }) => receives).map((peer) => `"${peer.address}/32"`);
  const policy = `
[global.apply-policy.config]
  export-policy-list = ["to-monitors"]
  default-export-policy = "reject-route"
[[defined-sets.neighbor-sets]]
  neighbor-set-name = "monitors"
  neighbor-info-list = [${monitors.join(', ')}]
[[policy-definitions]]
  name = "to-monitors"
  [[policy-definitions.statements]]
    name = "to-monitors"
    [policy-definitions.statements.conditions.match-neighbor-set]
      neighbor-set = "monitors"
    [policy-definitions.statements.actions]
      route-disposition = "accept-route"
`;
  const neighbors = peers.map(
    (peer) => `
[[neighbors]]
  [neighbors.config]
    neighbor-address = "${peer.address}"
    peer-as = ${peer.asNumber}
  [neighbors.timers.config]
    hold-time = ${peer.holdTime}
    keepalive-interval = ${Math.floor(peer.holdTime / 3)}
  [neighbors.transport.config]
    passive-mode = true
    local-address = "${SPEAKER_ADDRESS}"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "ipv4-unicast"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = ${restarts ? 120 : 1}
${peer.asNumber === SPEAKER_AS ? `  [neighbors.route-reflector.config]\n    route-reflector-client = true\n    route-reflector-cluster-id = "${SPEAKER_ADDRESS}"\n` : ''}`,
  );
  const config = `
[global.config]
  as = ${SPEAKER_AS}
  router-id = "${SPEAKER_ADDRESS}"
  port = 179
  local-address-list = ["${SPEAKER_ADDRESS}"]
${all ? '' : policy}${neighbors.join('')}`;
  return launch(namespace, { 'gobgpd.toml': config }, (folder, restarted) => [
    {
      command: 'gobgpd',
      args: [
        '-f',
        join(folder, 'gobgpd.toml'),
        '-t',
        'toml',
        '--log-level=error',
        '--api-hosts=127.0.0.1:50051',
        ...(restarted ? ['-r'] : []),
      ],
    },
  ]);
}
