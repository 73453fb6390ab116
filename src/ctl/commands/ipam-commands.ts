/** ipam show, check, release, split, configure. */
import { Argument, type Command, InvalidArgumentError, Option } from 'commander';
import type { CtlContext } from '../context.ts';
import type { ConfigureFlags, SplitFlags } from '../ipam-change.ts';
import type { CheckFlags } from '../ipam-check.ts';
import type { ReleaseFlags } from '../ipam-release.ts';
import type { ShowFlags } from '../ipam-show.ts';
import { collect } from './inventory-flags.ts';
import { ignoredContext } from './resource-flags.ts';

export function addIpamCommands(program: Command, context: CtlContext): void {
  const ipam = program.command('ipam').description('Look at the assignment of addresses, and mend it.');
  addShow(ipam, context);
  addCheck(ipam, context);
  addRelease(ipam, context);
  addSplit(ipam, context);
  addConfigure(ipam, context);
}

function wholeNumber(text: string): number {
  if (!/^[0-9]{1,9}$/.test(text)) throw new InvalidArgumentError('not a whole number');
  return Number(text);
}

function addShow(ipam: Command, context: CtlContext): void {
  ipam
    .command('show')
    .description('Print how full pools and blocks are, or who has an address.')
    .option('--ip <address>', 'who has this address')
    .option('--show-blocks', 'also the blocks of each pool, and those of no pool')
    .option('--show-borrowed', 'addresses that nodes have from blocks of others')
    .option('--show-configuration', 'how addresses are assigned in the cluster')
    .addOption(new Option('-o, --output <format>', 'how to print').choices(['text', 'json']).default('text'))
    .addOption(ignoredContext())
    .addHelpText(
      'after',
      `
Reserved are the addresses of an IPReservation that nobody has; free is what can still be assigned. A block without a
pool is left over from a pool that was deleted.

Exit code: 0; an address that nobody has is no error.

Examples:
  margayctl ipam show
  margayctl ipam show --show-blocks
  margayctl ipam show --ip 10.65.0.2
  margayctl ipam show --show-borrowed -o json`,
    )
    .action(async (flags: ShowFlags) => {
      const { showIpam } = await import('../ipam-show.ts');
      await context.withDatastore((datastore) => showIpam(datastore, flags));
    });
}

function addCheck(ipam: Command, context: CtlContext): void {
  ipam
    .command('check')
    .description('Compare what is assigned with what workloads and nodes use.')
    .option('--show-all-ips', 'print every assignment')
    .option('--show-problem-ips', 'print the addresses and handles that are a problem')
    .option(
      '-o, --output <file>',
      'write a report for `ipam release`; json or - prints it instead of the text',
    )
    .addOption(new Option('--kubeconfig <file>', 'not applicable: nothing is asked of Kubernetes').hideHelp())
    .addOption(ignoredContext())
    .addHelpText(
      'after',
      `
In use are the addresses of workload endpoints and of the tunnels of nodes. A leak is an address that is assigned and not
in use, and does not wait for its reuse. Workloads that come and go meanwhile look like leaks: check twice, or lock the
datastore (\`margayctl datastore migrate lock\`) if the leaks are to be released.

Exit code: 0 when there is no problem, else 1.

Examples:
  margayctl ipam check --show-problem-ips
  margayctl ipam check -o report.json
  margayctl ipam check -o json`,
    )
    .action(async (flags: CheckFlags) => {
      const { checkIpam } = await import('../ipam-check.ts');
      await context.withDatastore((datastore) => checkIpam(datastore, flags));
    });
}

function addRelease(ipam: Command, context: CtlContext): void {
  ipam
    .command('release')
    .description('Release an address, or the leaks that reports of `ipam check` name.')
    .option('--ip <address>', 'the address')
    .option('--from-report <file>', 'a report; of several only what all of them name', collect)
    .option('--force', 'although the datastore is not locked, or another version made the report')
    .addOption(ignoredContext())
    .addHelpText(
      'after',
      `
Releasing the address of a running workload lets another get the same one: make sure that it is not in use. With a report,
only the very assignments of the report are released, not later ones of the same addresses. Where the cluster lets
addresses cool down, a released one waits as long as any other.

Exit code: 0 when released, 1 when the address is not assigned or on an error.

Examples:
  margayctl ipam release --ip 10.65.0.2
  margayctl ipam release --from-report monday.json --from-report tuesday.json`,
    )
    .action(async (flags: ReleaseFlags) => {
      const { releaseIpam } = await import('../ipam-release.ts');
      await context.withDatastore((datastore) => releaseIpam(datastore, flags));
    });
}

function addSplit(ipam: Command, context: CtlContext): void {
  ipam
    .command('split')
    .description('Split a pool into smaller ones.')
    .addArgument(new Argument('<number>', 'how many: a power of two').argParser(wholeNumber))
    .option('--cidr <cidr>', 'the pool with this CIDR')
    .option('--name <name>', 'the pool of this name')
    .addOption(ignoredContext())
    .addHelpText(
      'after',
      `
The datastore must be locked meanwhile. The new pools have all settings of the old one, and its addresses stay assigned.
What was interrupted is finished by running it again.

Exit code: 0 when the pool is split, else 1.

Examples:
  margayctl datastore migrate lock
  margayctl ipam split 4 --name default-ipv4-ippool
  margayctl datastore migrate unlock`,
    )
    .action(async (number: number, flags: SplitFlags) => {
      const { splitIpam } = await import('../ipam-change.ts');
      await context.withDatastore((datastore) => splitIpam(datastore, number, flags));
    });
}

function addConfigure(ipam: Command, context: CtlContext): void {
  ipam
    .command('configure')
    .description('Change how addresses are assigned in the cluster.')
    .addOption(
      new Option('--strictaffinity <boolean>', 'nodes assign only from their own blocks')
        .choices(['true', 'false'])
        .argParser((text) => {
          if (text !== 'true' && text !== 'false') throw new InvalidArgumentError('use true or false');
          return text === 'true';
        }),
    )
    .option('--max-blocks-per-host <number>', 'most blocks of one node; needs strict affinity', wholeNumber)
    .addOption(
      new Option('--kubevirt-ip-persistence <state>', 'VMs keep their addresses').choices([
        'Enabled',
        'Disabled',
      ]),
    )
    .option(
      '--ip-cooldown-seconds <number>',
      'seconds until a released address is assigned again',
      wholeNumber,
    )
    .addOption(ignoredContext())
    .addHelpText(
      'after',
      `
\`margayctl ipam show --show-configuration\` prints what is configured.

Exit code: 0 when everything is set, else 1.

Examples:
  margayctl ipam configure --strictaffinity=true
  margayctl ipam configure --strictaffinity=true --max-blocks-per-host=4
  margayctl ipam configure --ip-cooldown-seconds=60`,
    )
    .action(async (flags: ConfigureFlags) => {
      const { configureIpam } = await import('../ipam-change.ts');
      await context.withDatastore((datastore) => configureIpam(datastore, flags));
    });
}
