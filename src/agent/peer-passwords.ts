/** The peers of a plan with their passwords. One whose password is not to be had is left out, never left open. */
import { describeError } from '../base/errors.ts';
import type { PeerConfig } from '../bgp/config.ts';
import type { PeerPlan, SecretReference } from '../calc/output.ts';

/** TCP_MD5SIG_MAXKEYLEN of linux/tcp.h. */
const LONGEST_KEY = 80;

export interface KeyedPeers {
  readonly peers: readonly PeerConfig[];
  /** Why peers were left out, and what to do; in words. */
  readonly problems: readonly string[];
}

/** `read` gives the value of a key of a secret, undefined if there is none; it may throw. */
export function withPasswords(
  plans: readonly PeerPlan[],
  read: (name: string, key: string) => string | undefined,
): KeyedPeers {
  const peers: PeerConfig[] = [];
  const problems = new Set<string>();
  for (const { password: reference, ...peer } of plans) {
    if (reference === undefined) {
      peers.push(peer);
      continue;
    }
    const outcome = passwordOf(reference, read);
    if ('problem' in outcome) problems.add(outcome.problem);
    else peers.push(outcome.password === undefined ? peer : { ...peer, password: outcome.password });
  }
  return { peers, problems: [...problems] };
}

function passwordOf(
  { name, key, optional }: SecretReference,
  read: (name: string, key: string) => string | undefined,
): { readonly password: string | undefined } | { readonly problem: string } {
  const where = `the BGP password in key ${key} of secret ${name}`;
  try {
    const password = read(name, key);
    if (password === undefined || password === '') {
      if (optional) return { password: undefined };
      return {
        problem: `${where} is missing: its sessions stay closed; put it into SECRETS-DIR/${name}/${key}`,
      };
    }
    if (Buffer.byteLength(password) > LONGEST_KEY) {
      return { problem: `${where} has more than ${LONGEST_KEY} octets: its sessions stay closed` };
    }
    return { password };
  } catch (error) {
    return { problem: `${where} cannot be read (${describeError(error)}): its sessions stay closed` };
  }
}
