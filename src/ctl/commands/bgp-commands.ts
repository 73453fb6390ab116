/** bgp summary, neighbor, routes, route, adv, recv, clear, down, up, filters test; route why. */
import { type Command, Option } from 'commander';
import type { CtlContext } from '../context.ts';
import type { BgpClient } from '../bgp.ts';
import type { BgpOutput } from '../bgp-text.ts';
import { type AgentFlags, addAgentFlags } from './agent-flags.ts';

interface Flags extends AgentFlags {
  readonly output: BgpOutput;
}

interface Row<Extra> {
  /** Words of the command with its arguments. */
  readonly usage: string;
  readonly description: string;
  readonly options?: (command: Command) => Command;
  readonly help: string;
  readonly run: (client: BgpClient, args: readonly string[], flags: Flags & Extra) => Promise<void>;
}

const SCHEMA = `
With -o json and -o yaml every document carries "schema": "margay-bgp/v1"; fields are added, never changed.`;

const PEER = `
PEER is the name that \`margayctl bgp summary\` prints, or the address of the peer.`;

const families = (command: Command): Command =>
  command
    .addOption(new Option('--family <family>', 'only this one').choices(['4', '6']))
    .option('--best', 'only the path that was chosen for each prefix');

interface RouteFlags {
  readonly family?: string;
  readonly best?: boolean;
}

const ROWS: readonly Row<RouteFlags & ClearFlags & FilterFlags & DownFlags>[] = [
  {
    usage: 'summary',
    description: 'List the peers: state, prefixes, messages.',
    help: `
STATE is that of RFC 4271 §8.2.2, SINCE the time since it last changed into or out of Established. STALE are prefixes
kept over the restart of a peer (RFC 4724).
${SCHEMA}

Examples:
  margayctl bgp summary
  margayctl bgp summary -o json | jq '.neighbors[] | select(.state != "Established")'`,
    run: (client) => client.summary(),
  },
  {
    usage: 'neighbor [peer]',
    description: 'Show everything about one peer, or about all.',
    help: `
Shows the session (state, what the two OPENs agreed on, last error), the options that are configured, and counters.
${PEER}
${SCHEMA}

Examples:
  margayctl bgp neighbor
  margayctl bgp neighbor 10.0.0.2
  margayctl bgp neighbor Mesh_10_0_0_2 -o yaml`,
    run: (client, [name]) => client.neighbor(name),
  },
  {
    usage: 'routes',
    description: 'List every path of every prefix.',
    options: families,
    help: `
"*" marks the path that was chosen for its prefix, "S" one that is kept over the restart of its peer. Tables of any size
are printed as they arrive; within a page of 2,000 routes they are sorted.
${SCHEMA}

Examples:
  margayctl bgp routes
  margayctl bgp routes --family 6 --best
  margayctl bgp routes -o json | jq -r '.routes[] | select(.communities) | .prefix'`,
    run: (client, _, { family, best }) =>
      client.routes('routes', { family, best: best === true ? 'true' : undefined }),
  },
  {
    usage: 'route <prefix>',
    description: 'List the paths of a prefix and of all that lie within it.',
    options: (command) => command.option('--best', 'only the path that was chosen for each prefix'),
    help: `
PREFIX is a prefix, or an address for the one that holds only it. For the route that is used towards an address, and why,
see \`margayctl route why\`.
${SCHEMA}

Examples:
  margayctl bgp route 10.65.0.0/16
  margayctl bgp route 10.65.3.0/26 -o json`,
    run: (client, [prefix = ''], { best }) =>
      client.routes('routes', { within: asPrefix(prefix), best: best === true ? 'true' : undefined }),
  },
  {
    usage: 'recv <peer>',
    description: 'List what a peer tells us.',
    options: families,
    help: `
As it was taken: after its BGPFilters and what import sets. What import refuses is not kept.
${PEER}
${SCHEMA}

Examples:
  margayctl bgp recv 10.0.0.2
  margayctl bgp recv Global_192_0_2_1 --family 4 -o json`,
    run: (client, [peer], { family, best }) =>
      client.routes('routes', { peer, family, best: best === true ? 'true' : undefined }),
  },
  {
    usage: 'adv <peer>',
    description: 'List what we tell a peer.',
    help: `
As it is told: after its BGPFilters and the built-in export policy, with the attributes that the peer gets. Why a prefix
is told or not is in \`margayctl route why\`.
${PEER}
${SCHEMA}

Examples:
  margayctl bgp adv 10.0.0.2
  margayctl bgp adv Global_192_0_2_1 -o json`,
    run: (client, [peer]) => client.routes('advertised', { peer }),
  },
  {
    usage: 'clear <peer>',
    description: 'Begin a session anew, or only have routes told again.',
    options: (command) =>
      command.addOption(
        new Option('--soft <direction>', 'keep the session; have routes told again').choices(['in', 'out']),
      ),
    help: `
Without --soft the session ends with Cease, Administrative Reset (RFC 4486) and begins again. --soft in asks the peer to
tell all again (RFC 2918), --soft out tells the peer all again; neither loses a route.
${PEER}

Examples:
  margayctl bgp clear 10.0.0.2 --soft in
  margayctl bgp clear Mesh_10_0_0_2`,
    run: (client, [peer], { soft }) => client.act('clear', { peer, how: soft }),
  },
  {
    usage: 'down <peer>',
    description: 'End a session and keep it down.',
    options: (command) => command.option('--reason <text>', 'what the peer is told, at most 255 octets', ''),
    help: `
The session ends with Cease, Administrative Shutdown and the reason (RFC 9003), and its routes go. It stays down until
\`bgp up\`, until the peer is configured so that it needs a new session, or until the agent starts again. To keep it down
for good, set bgp.margay.io/shutdown on the BGPPeer.
${PEER}

Examples:
  margayctl bgp down 10.0.0.2
  margayctl bgp down 10.0.0.2 --reason 'fibre works until 14:00'`,
    run: (client, [peer], { reason }) => client.act('down', { peer, communication: reason }),
  },
  {
    usage: 'up <peer>',
    description: 'Let a session that is held down come up again.',
    help: `
${PEER.trimStart()}

Example:
  margayctl bgp up 10.0.0.2`,
    run: (client, [peer]) => client.act('up', { peer }),
  },
];

interface ClearFlags {
  readonly soft?: 'in' | 'out';
}

interface DownFlags {
  readonly reason?: string;
}

interface FilterFlags {
  readonly direction: 'import' | 'export';
  readonly asPath?: string;
  readonly community?: readonly string[];
  readonly own?: boolean;
}

export function addBgpCommands(program: Command, context: CtlContext): void {
  const bgp = program
    .command('bgp')
    .description('Look into the BGP speaker of this node, and act on its peers.');
  for (const { usage, description, options = (command: Command) => command, help, run } of ROWS) {
    const [name = '', ...args] = usage.split(' ');
    const command = bgp.command(name).description(description);
    for (const argument of args) command.argument(argument);
    finish(options(command), context, help);
    command.action(async () => {
      const flags = command.opts<Flags & RouteFlags & ClearFlags & FilterFlags & DownFlags>();
      await run(await clientOf(context, flags), command.args, flags);
    });
  }
  addMrtDump(bgp.command('mrt').description('Write what BGP knows in the MRT format (RFC 6396).'), context);
  addFilterTest(bgp.command('filters').description('Ask the filters of peers.'), context);
}

/** `margayctl route why`. */
export function addRouteCommands(program: Command, context: CtlContext): void {
  const route = program.command('route').description('Ask about routes.');
  const why = route
    .command('why')
    .description('Say why an address is reached as it is.')
    .argument('<address>', 'IPv4 or IPv6');
  finish(
    why,
    context,
    `
Says whose the address is (block, node, pool), which paths BGP has to the longest prefix that holds it, which step of the
decision process (RFC 4271 §9.1.2) chose among them, what the kernel has of it or why it has nothing, and for each peer
whether it is told and which rule decides.
${SCHEMA}

Exit code: 0 when BGP knows a route, 1 when it knows none and for errors.

Examples:
  margayctl route why 10.65.3.7
  margayctl route why fd65::3:7 -o json | jq '.exports[] | select(.told | not)'`,
  );
  why.action(async (address: string) => {
    const flags = why.opts<Flags>();
    const known = await (await clientOf(context, flags)).why(address);
    if (!known) context.exitCode = 1;
  });
}

function addMrtDump(mrt: Command, context: CtlContext): void {
  const dump = mrt
    .command('dump')
    .description('Write all paths to a file.')
    .argument('<file>', 'replaced if it is there');
  finish(
    dump,
    context,
    `
Writes every path of every prefix as TABLE_DUMP_V2 records, which bgpdump and its kin read. The agent writes the file, so it
lies on the agent's machine. The age of a path is that of its session. For a log of UPDATEs as they come set
bgp.margay.io/mrtUpdates, for a monitoring station bgp.margay.io/bmp, on the BGPConfiguration.
${SCHEMA}

Examples:
  margayctl bgp mrt dump /var/tmp/rib.mrt
  margayctl bgp mrt dump rib.mrt && bgpdump -m rib.mrt`,
  );
  dump.action(async (file: string) => {
    await (await clientOf(context, dump.opts<Flags>())).dump(file);
  });
}

function addFilterTest(filters: Command, context: CtlContext): void {
  const test = filters
    .command('test')
    .description('Say what the filters of a peer do with a route.')
    .argument('<peer>', 'whose filters')
    .argument('<prefix>', 'of the route')
    .addOption(
      new Option('--direction <direction>', 'routes from the peer, or to it')
        .choices(['import', 'export'])
        .default('import'),
    )
    .option('--as-path <numbers>', "of the route: '65001 65002'")
    .option('--community <community...>', 'of the route: 65001:1, or 65001:1:2 for a large one')
    .option('--own', 'a route of this node, not one that a peer told');
  finish(
    test,
    context,
    `
Asks the running agent what the policy of a peer, its BGPFilters and the built-in export chain, does with a route that
need not exist: which rule decides, and what it changes.
${PEER}
${SCHEMA}

Exit code: 0 when the route is accepted, 1 when it is rejected, 2 for errors.

Examples:
  margayctl bgp filters test 10.0.0.2 192.0.2.0/24 --as-path '65001 65002'
  margayctl bgp filters test Global_192_0_2_1 10.65.3.0/26 --direction export --own`,
  );
  test.action(async (peer: string, prefix: string) => {
    // Until the answer is there, what goes wrong is an error and no verdict.
    context.exitCode = 2;
    const flags = test.opts<Flags & FilterFlags>();
    const { accept } = await (
      await clientOf(context, flags)
    ).filter({
      peer,
      prefix: asPrefix(prefix),
      direction: flags.direction,
      'as-path': flags.asPath,
      communities: flags.community?.join(' '),
      learned: flags.own === true ? 'false' : 'true',
    });
    context.exitCode = accept ? 0 : 1;
  });
}

function finish(command: Command, context: CtlContext, help: string): void {
  addAgentFlags(command, context)
    .addOption(
      new Option('-o, --output <format>', 'how to print').choices(['text', 'json', 'yaml']).default('text'),
    )
    .addHelpText('after', `\nAsks the agent over its local socket; that takes root.\n${help}`);
}

async function clientOf(context: CtlContext, flags: Flags): Promise<BgpClient> {
  const { BgpClient: Client } = await import('../bgp.ts');
  return new Client(flags, context.environment.write, flags.output);
}

/** An address stands for the prefix that holds only it. */
function asPrefix(text: string): string {
  if (text.includes('/')) return text;
  return `${text}/${text.includes(':') ? 128 : 32}`;
}
