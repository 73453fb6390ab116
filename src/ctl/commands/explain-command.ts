/** explain. */
import type { Command } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import type { CtlContext } from '../context.ts';
import type { ExplainFlags } from '../explain.ts';
import { DEFAULT_RUN_DIR } from './agent-flags.ts';
import {
  type InventoryFlags,
  addInventoryFlags,
  answerFrom,
  collect,
  sourceOptions,
} from './inventory-flags.ts';

interface Flags extends InventoryFlags {
  readonly all?: boolean;
  readonly output?: string;
  readonly family?: string;
  readonly sourcePort?: string;
  readonly srcLabels?: string;
  readonly srcNs?: string;
  readonly srcServiceAccount?: string;
  readonly srcIp?: string;
  readonly dstLabels?: string;
  readonly dstNs?: string;
  readonly dstServiceAccount?: string;
  readonly dstIp?: string;
  readonly with?: string[];
  readonly without?: string[];
  readonly runDir: string;
}

const HELP = `
SRC and DST are NAMESPACE/POD, node/NAME, hep/NAME (a HostEndpoint), svc/NAMESPACE/NAME (every ready endpoint of its
EndpointSlices), an address, or a CIDR (every part of it that policy tells apart). PORT is a number or the name that the
destination gives it; PROTOCOL is tcp (the default), udp, sctp, udplite, icmp or a number. For ICMP write
TYPE/icmp or TYPE.CODE/icmp. An IPv6 address with a port needs brackets.

Resources come from the datastore, or with -f from files alone: no cluster is needed then.

Rule ids are the comments that "nft list table inet margay" shows. Rules say hit, miss with the first field that missed,
or unknown if they look at what was not told (a source port).

Host endpoints of the nodes on the way are asked too: the one of the interface that has an address of its node.

Not considered: routes, replies of connections that are open already.

The answer states the revision of the datastore, and which of the agents that answer on this machine have it in force.
"margayctl schema explain" prints the JSON Schema of -o json.

Exit code: 0 allow, 1 deny, 2 unknown (it depends on what was not told, or differs between addresses) and errors.

Examples:
  margayctl explain shop/frontend shop/backend:8080
  margayctl explain -f manifests/ -R shop/frontend 10.0.0.0/8:53/udp --all
  margayctl explain shop/frontend shop/backend:http --with policy.yaml --without np/shop/old
  margayctl explain new web --src-labels app=batch --src-ns jobs -o json`;

export function addExplainCommand(program: Command, context: CtlContext): void {
  addInventoryFlags(
    program
      .command('explain')
      .description('Say whether policy lets a connection through, and which rule decides.'),
  )
    .argument('<source>', 'who connects')
    .argument('<destination>', 'to whom: DST[:PORT[/PROTOCOL]]')
    .option('--all', 'also policies that do not apply, and why')
    .option('-o, --output <format>', 'text or json', 'text')
    .option('--family <family>', '4 or 6: only this one')
    .option('--source-port <port>', 'where rules look at it')
    .option('--src-labels <labels>', 'the source is a pod that does not exist, with these labels: a=b,c=d')
    .option('--src-ns <namespace>', 'its namespace')
    .option('--src-service-account <name>', 'its service account')
    .option('--src-ip <address>', 'its address')
    .option('--dst-labels <labels>', 'the same for the destination')
    .option('--dst-ns <namespace>', 'its namespace')
    .option('--dst-service-account <name>', 'its service account')
    .option('--dst-ip <address>', 'its address')
    .option('--with <file>', 'what if these resources were applied; may be repeated', collect)
    .option('--without <resource>', 'what if KIND/NAME or KIND/NAMESPACE/NAME were deleted', collect)
    .option(
      '--run-dir <directory>',
      'where agents have their sockets: they are asked whether the revision is in force',
      context.environment.variables['MARGAY_RUN_DIR'] ?? DEFAULT_RUN_DIR,
    )
    .addHelpText('after', HELP)
    .action(async (source: string, destination: string, flags: Flags) => {
      const [{ explainCommand }, { nodesInForce }, { readResources }, { readSources }] = await Promise.all([
        import('../explain.ts'),
        import('../nodes-in-force.ts'),
        import('../inventory.ts'),
        import('../files.ts'),
      ]);
      await answerFrom(context, flags, async (inventory) => {
        const changed = readResources(readSources(flags.with ?? [], sourceOptions(flags)));
        const { revision } = inventory;
        const nodes = revision === undefined ? undefined : await nodesInForce(flags.runDir, revision);
        return explainCommand(source, destination, inventory, { ...optionsOf(flags), changed, nodes });
      });
    });
}

function optionsOf(flags: Flags): Omit<ExplainFlags, 'changed' | 'nodes'> {
  const { output = 'text', family } = flags;
  if (output !== 'text' && output !== 'json') {
    throw new ConfigError('ctl.usage', `unknown output format ${output}`, { fix: 'use text or json' });
  }
  if (family !== undefined && family !== '4' && family !== '6') {
    throw new ConfigError('ctl.usage', `unknown family ${family}`, { fix: 'use 4 or 6' });
  }
  return {
    namespace: flags.namespace,
    all: flags.all === true,
    json: output === 'json',
    family: family === undefined ? undefined : family === '4' ? 4 : 6,
    sourcePort: flags.sourcePort,
    invented: {
      source: {
        labels: flags.srcLabels,
        namespace: flags.srcNs,
        serviceAccount: flags.srcServiceAccount,
        address: flags.srcIp,
      },
      destination: {
        labels: flags.dstLabels,
        namespace: flags.dstNs,
        serviceAccount: flags.dstServiceAccount,
        address: flags.dstIp,
      },
    },
    without: flags.without ?? [],
  };
}
