import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { KernelError } from '../../src/base/errors.ts';
import { createNamespace, deleteNamespace, inNamespace, listNamespaces } from '../../src/sys/netns.ts';
import { notifyManager } from '../../src/sys/notify.ts';
import { run, runChecked, spawnIn, terminate } from '../../src/sys/process.ts';
import { readSysctl, writeSysctl } from '../../src/sys/sysctl.ts';
import { describeKernel, uniqueNamespaceName, useNamespaces } from './fixture-namespace.ts';

const ownNamespace = (): string => readlinkSync('/proc/thread-self/ns/net');

function errnoOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    if (error instanceof KernelError) return error.errno;
    throw error;
  }
  return 'no error';
}

describeKernel('named network namespaces', () => {
  const [namespace, other] = useNamespaces(2);

  it('are the ones that iproute2 knows', () => {
    const name = uniqueNamespaceName();
    createNamespace(name);
    try {
      const listed = execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' });
      expect(listed.split('\n').map((line) => line.split(' ')[0])).toContain(name);
      expect(listNamespaces()).toContain(name);
      expect(errnoOf(() => createNamespace(name))).toBe('EEXIST');
    } finally {
      deleteNamespace(name);
    }
    expect(listNamespaces()).not.toContain(name);
    expect(errnoOf(() => deleteNamespace(name))).toBe('ENOENT');
  });

  it('made by iproute2 are ours to enter and delete', () => {
    const name = uniqueNamespaceName();
    execFileSync('ip', ['netns', 'add', name]);
    const inside = inNamespace(name, ownNamespace);
    expect(inside).not.toBe(ownNamespace());
    deleteNamespace(name);
    expect(execFileSync('ip', ['netns', 'list'], { encoding: 'utf8' })).not.toContain(name);
  });

  it('bring the thread back also when the section throws, and nest', () => {
    const home = ownNamespace();
    expect(() =>
      inNamespace(namespace!, () => {
        const outer = ownNamespace();
        expect(inNamespace(`/run/netns/${other}`, ownNamespace)).not.toBe(outer);
        expect(ownNamespace()).toBe(outer);
        expect(outer).not.toBe(home);
        throw new Error('on purpose');
      }),
    ).toThrow('on purpose');
    expect(ownNamespace()).toBe(home);
  });

  it('refuse a section that would yield to the event loop', () => {
    const section = (async () => undefined) as unknown as () => undefined;
    expect(() => inNamespace(namespace!, section)).toThrow('must be synchronous');
  });

  it('say what is wrong with a name', () => {
    expect(errnoOf(() => inNamespace('no-such-namespace', () => undefined))).toBe('ENOENT');
    expect(errnoOf(() => inNamespace('..', () => undefined))).toBe('EINVAL');
    expect(errnoOf(() => createNamespace('a/b'))).toBe('EINVAL');
    expect(errnoOf(() => inNamespace('/etc/hostname', () => undefined))).toBe('EINVAL');
  });

  it('whose mount is gone are removed all the same', () => {
    const name = uniqueNamespaceName();
    writeFileSync(`/run/netns/${name}`, '');
    expect(errnoOf(() => inNamespace(name, () => undefined))).toBe('EINVAL');
    deleteNamespace(name);
    expect(listNamespaces()).not.toContain(name);
  });

  it('say what to do when privilege is missing', async () => {
    const script = `import { createNamespace } from ${JSON.stringify(new URL('../../src/sys/netns.ts', import.meta.url).href)};
      try { createNamespace('x'); } catch (error) { console.log(error.errno, '|', error.fix); }`;
    const output = await runChecked(
      'setpriv',
      [
        '--bounding-set=-sys_admin',
        '--inh-caps=-sys_admin',
        process.execPath,
        '--import',
        'tsx',
        '-e',
        script,
      ],
      { cwd: new URL('../..', import.meta.url).pathname },
    );
    expect(output.trim()).toBe('EPERM | run as root, or with CAP_NET_ADMIN and CAP_SYS_ADMIN');
    expect(listNamespaces()).not.toContain('x');
  });

  it('have sysctls of their own', () => {
    const name = 'net/ipv4/conf/lo/forwarding';
    const ours = readSysctl(name);
    writeSysctl(name, 1, namespace);
    expect(readSysctl(name, namespace)).toBe('1');
    writeSysctl(name, 0, namespace);
    expect(readSysctl(name, namespace)).toBe('0');
    expect(readSysctl(name)).toBe(ours);
    expect(errnoOf(() => readSysctl('net/ipv4/no_such_thing', namespace))).toBe('ENOENT');
    expect(errnoOf(() => writeSysctl('net/ipv4/no_such_thing', 1, namespace))).toBe('ENOENT');
    expect(errnoOf(() => writeSysctl(name, 'nonsense', namespace))).toBe('EINVAL');
    expect(errnoOf(() => readSysctl('../../etc/passwd'))).toBe('EINVAL');
  });
});

describeKernel('child processes', () => {
  const [namespace] = useNamespaces(1);

  it('are born in the namespace, and the parent is not', async () => {
    const home = ownNamespace();
    const inside = inNamespace(namespace!, ownNamespace);
    const child = (await runChecked('readlink', ['/proc/self/ns/net'], { namespace: namespace! })).trim();
    expect(child).toBe(inside);
    expect(ownNamespace()).toBe(home);
  });

  it('give status, output and errors', async () => {
    const result = await run('sh', ['-c', 'cat; echo no >&2; exit 3'], { input: 'text' });
    expect(result).toEqual({ status: 3, signal: null, stdout: 'text', stderr: 'no\n' });
    await expect(runChecked('sh', ['-c', 'echo no >&2; exit 3'])).rejects.toThrow('exited with 3: no');
    await expect(run('/no/such/program', [])).rejects.toThrow('cannot run /no/such/program');
    expect((await run('true', [], { input: 'x'.repeat(1 << 20) })).status).toBe(0);
  });

  it('end on demand, stubborn ones too', async () => {
    const child = spawnIn('sleep', ['1000'], { namespace: namespace! });
    await terminate(child);
    expect(child.signalCode).toBe('SIGTERM');
    await terminate(child);
    const stubborn = spawnIn('sh', ['-c', 'trap "" TERM; echo ready; while :; do read x; done'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    await new Promise((resolve) => stubborn.stdout!.once('data', resolve));
    await terminate(stubborn, 50);
    expect(stubborn.signalCode).toBe('SIGKILL');
  });
});

describeKernel('sd_notify', () => {
  it('reaches a manager by path and by abstract name, and is silent without one', async () => {
    expect(notifyManager('READY=1', '')).toBe(false);
    const folder = mkdtempSync(join(tmpdir(), 'margay-notify-'));
    try {
      for (const target of [join(folder, 'notify'), `@margay-test-${process.pid}`]) {
        const received = join(folder, 'received');
        writeFileSync(received, '');
        // Python is the second opinion; Node has no unix datagram sockets.
        const listener = spawnIn(
          'python3',
          [
            '-c',
            'import socket,sys;s=socket.socket(socket.AF_UNIX,socket.SOCK_DGRAM);' +
              's.bind(sys.argv[1].replace("@","\\0",1));print("bound",flush=True);' +
              'open(sys.argv[2],"wb").write(s.recv(4096))',
            target,
            received,
          ],
          { stdio: ['ignore', 'pipe', 'inherit'] },
        );
        await new Promise((resolve) => listener.stdout!.once('data', resolve));
        const gone = new Promise((resolve) => listener.once('close', resolve));
        expect(notifyManager('READY=1\nSTATUS=in sync', target)).toBe(true);
        await gone;
        expect(readFileSync(received, 'utf8')).toBe('READY=1\nSTATUS=in sync');
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
