/**
 * The end of connections that a change of policy denied. The agent marks their entries in connection tracking; these
 * rules stand before the one that lets established connections pass. To delete the entries would not do: the other
 * end's next packet would begin the connection anew, the other way round.
 */
import type { Rule, Statement } from '../ruleset.ts';
import type { RenderOptions } from './options.ts';

/** The bit of the connection mark. Marks are shared with others (kube-proxy, service meshes use low bits). */
export const CUT_MARK = 0x4000_0000;

const TCP = 6;
/** The RST flag (RFC 9293 §3.1). */
const TCP_RESET = 4;

/** The rules; none while no policy asks for it. */
export function cutRules({ flushOnChange }: RenderOptions): Rule[] {
  if (!flushOnChange) return [];
  const marked: Statement = {
    match: { op: '==', left: { '&': [{ ct: { key: 'mark' } }, CUT_MARK] }, right: CUT_MARK },
  };
  const reset: Statement = {
    match: {
      op: '==',
      left: { '&': [{ payload: { protocol: 'tcp', field: 'flags' } }, TCP_RESET] },
      right: TCP_RESET,
    },
  };
  const tcp: Statement = { match: { op: '==', left: { meta: { key: 'l4proto' } }, right: TCP } };
  const comment = 'cut by a change of policy';
  return [
    // Those that the next rule sends belong to the connection as well, and may leave by the same chain.
    { expr: [tcp, reset, marked, { accept: null }] },
    { comment, expr: [tcp, marked, { counter: null }, { reject: { type: 'tcp reset' } }] },
    { comment, expr: [marked, { counter: null }, { drop: null }] },
  ];
}
