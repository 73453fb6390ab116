/** reach, policy diff, assert and lint. */
import type { Command } from 'commander';
import { ConfigError } from '../../base/errors.ts';
import { type CtlContext, DEFAULT_NAMESPACE } from '../context.ts';
import { type InventoryFlags, addInventoryFlags, answerFrom, answerFromBoth } from './inventory-flags.ts';

export function addReachCommands(program: Command, context: CtlContext): void {
  addReach(program, context);
  addPolicy(program, context);
  addAssert(program, context);
  addLint(program, context);
}

function addReach(program: Command, context: CtlContext): void {
  addInventoryFlags(
    program.command('reach').description('Print which workloads policy lets reach which, on one port.'),
  )
    .argument('<service>', 'PORT[/PROTOCOL], such as 80 or 53/udp')
    .option('-o, --output <format>', 'text, csv, json, dot (for Graphviz) or svg', 'text')
    .option('--family <family>', '4 or 6', '4')
    .option('--to <workload>', 'who can reach this one: NAMESPACE/POD')
    .option('--from <workload>', 'what this one can reach: NAMESPACE/POD')
    .option(
      '--outside',
      'also the addresses of no workload and no node, in the parts that policy tells apart',
    )
    .addHelpText(
      'after',
      `
Exit code: 0, or 2 for errors.

Examples:
  margayctl reach 80
  margayctl reach 80 --to shop/web
  margayctl reach 80 --to shop/web --outside
  margayctl reach 53/udp -f manifests/ -o csv
  margayctl reach 80 -o dot | dot -Tpng`,
    )
    .action(
      async (
        service: string,
        flags: InventoryFlags & {
          readonly output: string;
          readonly family: string;
          readonly from?: string;
          readonly to?: string;
          readonly outside?: boolean;
        },
      ) => {
        const { output, family, from, to, outside = false } = flags;
        const format = OUTPUTS.find((one) => one === output);
        if (format === undefined) {
          throw new ConfigError('ctl.usage', `unknown output format ${output}`, {
            fix: `use ${OUTPUTS.join(', ')}`,
          });
        }
        if (family !== '4' && family !== '6') {
          throw new ConfigError('ctl.usage', `unknown family ${family}`, { fix: 'use 4 or 6' });
        }
        const { reachCommand } = await import('../reach.ts');
        await answerFrom(context, flags, (inventory) =>
          reachCommand(service, inventory, { family: family === '4' ? 4 : 6, format, from, to, outside }),
        );
      },
    );
}

const OUTPUTS = ['text', 'csv', 'json', 'dot', 'svg'] as const;

/** What stands for the datastore where a file could be named. */
const DATASTORE = 'datastore';

function addPolicy(program: Command, context: CtlContext): void {
  const policy = program.command('policy').description('Compare policy.');
  policy
    .command('diff')
    .description('Print which connections of workloads one state of policy allows and another does not.')
    .argument('<before>', 'a file or directory of resources, or "datastore" for what is there now')
    .argument('<after>', 'the same')
    .option('--service <service>', 'only PORT[/PROTOCOL]; every port that rules tell apart otherwise')
    .option('-R, --recursive', 'descend into directories')
    .option('-n, --namespace <namespace>', 'namespace of resources that state none', DEFAULT_NAMESPACE)
    .option('-o, --output <format>', 'text or json', 'text')
    .addHelpText(
      'after',
      `
Compared are the workloads that both states have, with each other and with the world outside: addresses of no workload
and no node, in the parts that rules tell apart. TCP, UDP, SCTP and ICMP echo are asked about.

Exit code: 0 if nothing changes, 1 if something does, 2 for errors.

Examples:
  margayctl policy diff old/ new/
  margayctl policy diff datastore new/ --service 80`,
    )
    .action(
      async (
        before: string,
        after: string,
        flags: Omit<InventoryFlags, 'filename'> & { readonly service?: string; readonly output: string },
      ) => {
        const { output, service } = flags;
        if (output !== 'text' && output !== 'json') {
          throw new ConfigError('ctl.usage', `unknown output format ${output}`, { fix: 'use text or json' });
        }
        const { policyDiffCommand } = await import('../reach.ts');
        const of = (place: string): InventoryFlags =>
          place === DATASTORE ? flags : { ...flags, filename: [place] };
        await answerFromBoth(context, of(before), of(after), (old, now) =>
          policyDiffCommand(old, now, service, output === 'json'),
        );
      },
    );
}

function addAssert(program: Command, context: CtlContext): void {
  addInventoryFlags(
    program.command('assert').description('Check that policy allows and denies what a file says it must.'),
  )
    .argument(
      '<file>',
      'a list of {from: SRC, to: DST:PORT/PROTOCOL, expect: allow|deny}, as explain takes them',
    )
    .addHelpText(
      'after',
      `
Exit code: 0 if everything holds, 1 if something does not, 2 for errors.

Example:
  margayctl assert intents.yaml -f manifests/`,
    )
    .action(async (file: string, flags: InventoryFlags) => {
      const [{ assertCommand }, { readText }] = await Promise.all([
        import('../reach.ts'),
        import('../files.ts'),
      ]);
      await answerFrom(context, flags, (inventory) =>
        assertCommand(file, readText(file), inventory, flags.namespace),
      );
    });
}

function addLint(program: Command, context: CtlContext): void {
  addInventoryFlags(
    program.command('lint').description('Look for policy that is probably not what was meant.'),
  )
    .option('-o, --output <format>', 'text or json', 'text')
    .addHelpText(
      'after',
      `
Checks:
  problem           a resource that cannot be used, or not as it is written
  selects-nothing   a policy that no workload matches
  never-matches     a rule whose peers or named ports do not exist
  shadowed          a rule behind one that decides every packet
  no-dns            a policy that limits egress and allows port 53 nowhere

Exit code: 0 if nothing is found, 1 if something is, 2 for errors.

Example:
  margayctl lint -f manifests/`,
    )
    .action(async (flags: InventoryFlags & { readonly output: string }) => {
      const { output } = flags;
      if (output !== 'text' && output !== 'json') {
        throw new ConfigError('ctl.usage', `unknown output format ${output}`, { fix: 'use text or json' });
      }
      const { lintCommand } = await import('../reach.ts');
      await answerFrom(context, flags, (inventory) => lintCommand(inventory, output === 'json'));
    });
}
