import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { withPasswords } from '../../../src/agent/peer-passwords.ts';
import { SecretFiles } from '../../../src/agent/secret-files.ts';
import { systemClock } from '../../../src/base/clock.ts';
import { CalcGraph } from '../../../src/calc/graph.ts';
import type { PeerPlan, SecretReference } from '../../../src/calc/output.ts';
import { put } from '../calc/world.ts';

function plan(password?: Partial<SecretReference>): PeerPlan {
  const graph = new CalcGraph({ nodeName: 'one' });
  for (const { key, resource } of [
    put('Node', 'one', { bgp: { ipv4Address: '172.16.0.1/24' } }),
    put('BGPPeer', 'tor', { peerIP: '10.9.9.1', asNumber: 65000 }),
  ]) {
    graph.update(key, resource);
  }
  const [peer] = graph.flush().routing!.peers;
  return password === undefined
    ? peer!
    : { ...peer!, password: { name: 'bgp', key: 'tor', optional: false, ...password } };
}

describe('the passwords of peers', () => {
  it('come from the key of the secret', () => {
    const { peers, problems } = withPasswords([plan({}), plan()], (name, key) => `${name} ${key}`);
    expect(peers.map(({ password }) => password)).toEqual(['bgp tor', undefined]);
    expect(problems).toEqual([]);
  });

  it.each([
    ['is missing', () => undefined, /key tor of secret bgp is missing: its sessions stay closed/],
    ['is empty', () => '', /is missing/],
    ['is too long', () => 'x'.repeat(81), /more than 80 octets/],
    [
      'cannot be read',
      () => {
        throw new Error('EACCES');
      },
      /cannot be read \(EACCES\)/,
    ],
  ])('leave a peer out whose password %s, and say so once', (_, read, message) => {
    const { peers, problems } = withPasswords([plan({}), plan({})], read);
    expect(peers).toEqual([]);
    expect(problems).toEqual([expect.stringMatching(message)]);
  });

  it('may be missing if they are optional', () => {
    const { peers, problems } = withPasswords([plan({ optional: true })], () => undefined);
    expect(peers).toEqual([plan()]);
    expect(problems).toEqual([]);
  });
});

describe('secrets in files', () => {
  let directory: string;
  let secrets: SecretFiles;
  let changes: number;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'margay-secrets-'));
    changes = 0;
    secrets = new SecretFiles(directory, systemClock, () => changes++);
  });
  afterEach(() => {
    secrets.close();
    rmSync(directory, { recursive: true });
  });

  function changed(): Promise<void> {
    return vi.waitFor(() => expect(changes).toBeGreaterThan(0), { timeout: 5000, interval: 10 });
  }

  it('are read without the end of the line, and are missing if they are not there', () => {
    mkdirSync(join(directory, 'bgp'));
    writeFileSync(join(directory, 'bgp', 'tor'), 'hidden \n');
    expect(secrets.read('bgp', 'tor')).toBe('hidden ');
    expect(secrets.read('bgp', 'mesh')).toBeUndefined();
    expect(secrets.read('other', 'tor')).toBeUndefined();
  });

  it('are in the directory, whatever a name says', () => {
    writeFileSync(join(directory, 'outside'), 'x');
    mkdirSync(join(directory, 'in'));
    const inner = new SecretFiles(join(directory, 'in'), systemClock, () => undefined);
    for (const name of ['..', '.', '../in', '/etc']) expect(inner.read(name, 'outside')).toBeUndefined();
    expect(inner.read('x', '../../outside')).toBeUndefined();
    inner.close();
  });

  it('tell of a file that comes, with its directory or in it', async () => {
    expect(secrets.read('bgp', 'tor')).toBeUndefined();
    mkdirSync(join(directory, 'bgp'));
    await changed();
    expect(secrets.read('bgp', 'tor')).toBeUndefined();
    changes = 0;
    writeFileSync(join(directory, 'bgp', 'tor'), 'one');
    await changed();
    expect(secrets.read('bgp', 'tor')).toBe('one');
  });

  it('tell of a change by the turn of a link, as Kubernetes makes it', async () => {
    const secret = join(directory, 'bgp');
    for (const version of ['1', '2']) {
      mkdirSync(join(secret, version), { recursive: true });
      writeFileSync(join(secret, version, 'tor'), `password ${version}`);
    }
    symlinkSync('1', join(secret, '..data'));
    symlinkSync('..data/tor', join(secret, 'tor'));
    expect(secrets.read('bgp', 'tor')).toBe('password 1');
    symlinkSync('2', join(secret, '..data_tmp'));
    renameSync(join(secret, '..data_tmp'), join(secret, '..data'));
    await changed();
    expect(secrets.read('bgp', 'tor')).toBe('password 2');
  });
});
