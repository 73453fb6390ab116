/**
 * Brings what a command needs on a fresh Debian 12 with git, Node and npm: the npm packages of the lockfile, and the
 * Debian packages that the command's table names. Uses nothing but Node's own modules, for it runs before all else.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Debian package → a file that tells that it is installed. */
export const DEBIAN_PACKAGES = {
  nftables: '/usr/sbin/nft',
  iproute2: '/usr/sbin/ip',
  'iputils-ping': '/usr/bin/ping',
  bird2: '/usr/sbin/bird',
  'etcd-server': '/usr/bin/etcd',
  'etcd-client': '/usr/bin/etcdctl',
  frr: '/usr/lib/frr/bgpd',
  gobgpd: '/usr/bin/gobgpd',
  exabgp: '/usr/sbin/exabgp',
  openbgpd: '/usr/sbin/bgpd',
  bgpdump: '/usr/bin/bgpdump',
  pmacct: '/usr/sbin/pmbmpd',
  strace: '/usr/bin/strace',
};

/** Ends the process with status 2 after saying which command would mend what is missing. */
function refuse(reason, command) {
  console.error(`${reason}\nRun this, then try again:\n  ${command}`);
  process.exit(2);
}

function run(command, args, options = {}) {
  return spawnSync(command, args, { stdio: 'inherit', ...options }).status === 0;
}

/** Installs the lockfile's packages unless node_modules already holds exactly them. */
export function ensureNpmPackages(root) {
  const lock = createHash('sha256')
    .update(readFileSync(join(root, 'package-lock.json')))
    .digest('hex');
  const marker = join(root, 'node_modules', '.margay-lock');
  if (existsSync(marker) && readFileSync(marker, 'utf8') === lock) return;
  console.log('Installing the npm packages of package-lock.json');
  if (!run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd: root })) {
    refuse('The npm packages could not be installed.', 'npm ci');
  }
  writeFileSync(marker, lock);
}

/** Installs the Debian packages of the list that are missing, naming them first. */
export function ensureDebianPackages(names) {
  const missing = names.filter((name) => !existsSync(DEBIAN_PACKAGES[name]));
  if (missing.length === 0) return;
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`;
  if (process.getuid?.() !== 0)
    refuse(`These Debian packages are missing: ${missing.join(' ')}.`, `sudo ${command}`);
  if (!existsSync('/usr/bin/apt-get')) refuse(`These programs are missing: ${missing.join(' ')}.`, command);
  console.log(`Installing the Debian packages ${missing.join(' ')}`);
  const quiet = {
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    stdio: ['ignore', 'ignore', 'inherit'],
  };
  const install = ['install', '-y', '-qq', '--no-install-recommends', ...missing];
  const installed = withoutServiceStarts(() => {
    if (run('apt-get', install, quiet)) return true;
    return run('apt-get', ['update', '-qq'], quiet) && run('apt-get', install, quiet);
  });
  if (!installed) refuse('The Debian packages could not be installed.', `apt-get update && ${command}`);
}

/**
 * Runs `action` while Debian's policy-rc.d forbids package scripts to start their daemons: a BIRD or an etcd of the
 * machine's own would be in nobody's interest, for tests and labs run theirs in namespaces.
 */
function withoutServiceStarts(action) {
  const policy = '/usr/sbin/policy-rc.d';
  if (existsSync(policy)) return action();
  writeFileSync(policy, '#!/bin/sh\nexit 101\n', { mode: 0o755 });
  try {
    return action();
  } finally {
    rmSync(policy);
  }
}

/** Everything here changes network namespaces, so it needs root. `command` is the name of an npm script. */
export function requireRoot(command) {
  if (process.getuid?.() === 0) return;
  refuse(`npm run ${command} makes network namespaces and must run as root.`, `sudo npm run ${command}`);
}
