/** `margayctl ipam show`: how full pools and blocks are, who has an address, and what is configured. */
import { ConfigError } from '../base/errors.ts';
import type { Datastore } from '../datastore/datastore.ts';
import { NotFoundError } from '../datastore/datastore.ts';
import { type Allocation, allocationsOf, nodeOf, ordinalOf } from '../ipam/block.ts';
import { blocksOf } from '../ipam/release.ts';
import { type Usage, usageOf } from '../ipam/usage.ts';
import type { IPAMConfiguration } from '../model/kinds/ipam-configuration.ts';
import { type Address, parseAddress } from '../net/address.ts';
import type { Outcome } from './outcome.ts';
import { boxedTable } from './table.ts';

export interface ShowFlags {
  readonly ip?: string;
  readonly showBlocks?: boolean;
  readonly showBorrowed?: boolean;
  readonly showConfiguration?: boolean;
  readonly output: 'text' | 'json';
}

export async function showIpam(datastore: Datastore, flags: ShowFlags): Promise<Outcome> {
  const json = flags.output === 'json';
  if (flags.ip !== undefined) return showAddress(datastore, addressOf(flags.ip), json);
  if (flags.showConfiguration === true) return showConfiguration(datastore, json);
  if (flags.showBorrowed === true) return showBorrowed(datastore, json);
  return showUsage(datastore, flags.showBlocks === true, json);
}

/** An address as a user gives it. Throws a ConfigError. */
export function addressOf(text: string): Address {
  const address = parseAddress(text);
  if (address !== undefined) return address;
  throw new ConfigError('ctl.usage', `--ip ${text}: not an IP address`, {
    fix: 'give an address such as 10.65.0.2 or fd00::2',
  });
}

function printed(output: string): Outcome {
  return { output, errors: '', exitCode: 0 };
}

function asJson(value: unknown): Outcome {
  return printed(`${JSON.stringify(value, null, 2)}\n`);
}

// ── pools and blocks ───────────────────────────────────────────────────────────────────────────────────────────────

async function showUsage(datastore: Datastore, withBlocks: boolean, json: boolean): Promise<Outcome> {
  const kinds = ['IPPool', 'IPAMBlock', 'IPReservation'];
  const lists = await Promise.all(kinds.map((kind) => datastore.list({ kind })));
  const { pools, orphans } = usageOf(lists.flatMap(({ resources }) => resources));
  if (json) {
    return asJson({
      pools: pools.map(({ name, blocks, ...usage }) => ({
        name,
        ...numbers(usage),
        ...(withBlocks ? { blocks: blocks.map(numbers) } : {}),
      })),
      ...(withBlocks ? { blocksWithoutPool: orphans.map(numbers) } : {}),
    });
  }
  const rows = pools.flatMap((pool) => [
    usageRow('IP Pool', pool),
    ...(withBlocks ? pool.blocks.map((block) => usageRow('Block', block)) : []),
  ]);
  const homeless = withBlocks ? orphans.map((block) => usageRow('Block', block)) : [];
  return printed(
    boxedTable(
      ['GROUPING', 'CIDR', 'IPS TOTAL', 'IPS IN USE', 'IPS RESERVED', 'IPS FREE'],
      [...rows, ...homeless],
    ),
  );
}

/** Numbers beyond 2^53 (pools of IPv6) are rounded, as JSON has no larger ones. */
function numbers({ cidr, total, inUse, reserved, free }: Usage) {
  return { cidr, total: Number(total), inUse: Number(inUse), reserved: Number(reserved), free: Number(free) };
}

function usageRow(grouping: string, { cidr, total, inUse, reserved, free }: Usage): string[] {
  const share = (part: bigint): string =>
    `${fiveDigits(part)} (${Math.round((100 * Number(part)) / Number(total))}%)`;
  return [grouping, cidr, fiveDigits(total), share(inUse), fiveDigits(reserved), share(free)];
}

/** As Go's `%.5g` writes a whole number: `65536`, `1.2089e+24`. */
export function fiveDigits(value: bigint): string {
  const [mantissa = '', exponent] = Number(value).toPrecision(5).split('e');
  const short = mantissa.includes('.') ? mantissa.replace(/\.?0+$/, '') : mantissa;
  return exponent === undefined ? short : `${short}e+${exponent.slice(1).padStart(2, '0')}`;
}

// ── one address ────────────────────────────────────────────────────────────────────────────────────────────────────

async function showAddress(datastore: Datastore, address: Address, json: boolean): Promise<Outcome> {
  const found = (await blocksOf(datastore))
    .filter(({ spec }) => ordinalOf(spec.cidr, address) !== undefined)
    .flatMap((block) => allocationsOf(block).map((allocation) => ({ block, allocation })))
    .find(({ allocation }) => allocation.address === address && allocation.releasedAt === undefined);
  if (json) {
    return asJson({
      ip: address,
      assigned: found !== undefined,
      ...(found === undefined
        ? {}
        : {
            block: found.block.spec.cidr,
            handle: found.allocation.handle ?? null,
            activeOwner: found.allocation.owner,
            alternateOwner: found.allocation.alternateOwner,
          }),
    });
  }
  if (found === undefined) return printed(`${address} is not assigned\n`);
  const { handle, owner, alternateOwner } = found.allocation;
  const lines = [
    `IP ${address} is in use`,
    `Handle ID: ${handle ?? '<none>'}`,
    ...ownerLines('Active', owner),
    ...ownerLines('Alternate', alternateOwner),
  ];
  return printed(`${lines.join('\n')}\n`);
}

function ownerLines(which: 'Active' | 'Alternate', owner: Readonly<Record<string, string>>): string[] {
  const entries = Object.entries(owner).toSorted(([a], [b]) => (a < b ? -1 : 1));
  if (entries.length > 0) {
    return [`${which} Owner Attributes:`, ...entries.map(([name, value]) => `  ${name}: ${value}`)];
  }
  return which === 'Active' ? ['No Active Owner attributes defined'] : [];
}

// ── borrowed addresses ─────────────────────────────────────────────────────────────────────────────────────────────

async function showBorrowed(datastore: Datastore, json: boolean): Promise<Outcome> {
  const blocks = await blocksOf(datastore);
  const all = blocks.flatMap((block) =>
    allocationsOf(block).map((allocation) => ({ block, allocation, holder: nodeOf(block) })),
  );
  const borrowed = all.filter(
    ({ allocation: { owner }, holder }) => owner['node'] !== undefined && owner['node'] !== holder,
  );
  const unknown = all.filter(({ allocation: { owner } }) => owner['node'] === undefined);
  if (json) {
    return asJson({
      borrowed: borrowed.map(({ block, allocation, holder }) => ({
        ip: allocation.address,
        borrowingNode: allocation.owner['node'],
        block: block.spec.cidr,
        blockOwner: holder ?? null,
        type: typeOf(allocation),
        allocatedTo: allocatedTo(allocation),
      })),
      withoutNode: unknown.map(({ allocation }) => allocation.address),
    });
  }
  const table = boxedTable(
    ['IP', 'BORROWING-NODE', 'BLOCK', 'BLOCK OWNER', 'TYPE', 'ALLOCATED-TO'],
    borrowed.map(({ block, allocation, holder }) => [
      allocation.address,
      allocation.owner['node']!,
      block.spec.cidr,
      holder ?? '<none>',
      typeOf(allocation),
      allocatedTo(allocation),
    ]),
  );
  const note =
    unknown.length === 0
      ? ''
      : `${unknown.length} IPs name no node, so that nobody can say whether they are borrowed: ${unknown.map(({ allocation }) => allocation.address).join(', ')}\n`;
  return printed(table + note);
}

function typeOf({ owner }: Allocation): string {
  return owner['type'] ?? (owner['pod'] === undefined ? '' : 'pod');
}

function allocatedTo({ owner, handle }: Allocation): string {
  if (owner['pod'] !== undefined) return `${owner['namespace'] ?? ''}/${owner['pod']}`;
  return handle ?? '';
}

// ── configuration ──────────────────────────────────────────────────────────────────────────────────────────────────

/** What applies where nothing is stored. */
export const DEFAULT_CONFIGURATION: IPAMConfiguration = {
  apiVersion: 'projectcalico.org/v3',
  kind: 'IPAMConfiguration',
  metadata: { name: 'default' },
  spec: { strictAffinity: false, autoAllocateBlocks: true },
};

/** The stored configuration, or the default. */
export async function ipamConfiguration(datastore: Datastore): Promise<IPAMConfiguration> {
  try {
    return (await datastore.get({ kind: 'IPAMConfiguration', name: 'default' })) as IPAMConfiguration;
  } catch (error) {
    if (error instanceof NotFoundError) return DEFAULT_CONFIGURATION;
    throw error;
  }
}

async function showConfiguration(datastore: Datastore, json: boolean): Promise<Outcome> {
  const { spec } = await ipamConfiguration(datastore);
  const whole = {
    strictAffinity: spec.strictAffinity,
    autoAllocateBlocks: spec.autoAllocateBlocks,
    maxBlocksPerHost: spec.maxBlocksPerHost ?? 0,
    kubeVirtVMAddressPersistence: spec.kubeVirtVMAddressPersistence ?? 'Enabled',
    ipCooldownSeconds: spec.ipCooldownSeconds ?? 0,
  };
  if (json) return asJson(whole);
  return printed(
    boxedTable(
      ['PROPERTY', 'VALUE'],
      [
        ['StrictAffinity', String(whole.strictAffinity)],
        ['AutoAllocateBlocks', String(whole.autoAllocateBlocks)],
        ['MaxBlocksPerHost', String(whole.maxBlocksPerHost)],
        ['KubeVirtVMAddressPersistence', JSON.stringify(whole.kubeVirtVMAddressPersistence)],
        ['IPCooldownSeconds', String(whole.ipCooldownSeconds)],
      ],
    ),
  );
}
