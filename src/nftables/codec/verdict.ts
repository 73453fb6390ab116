/** Verdicts as the kernel holds them (NFTA_DATA_VERDICT): a code and, for jump and goto, a chain. */
import { type ByteWriter } from '../../net/bytes.ts';
import {
  readAttributes,
  readString,
  readU32,
  writeNested,
  writeString,
  writeU32,
} from '../../netlink/attribute.ts';
import type { Verdict } from '../ruleset.ts';
import { NFTA_DATA_VERDICT, NFTA_VERDICT_CHAIN, NFTA_VERDICT_CODE, VERDICT } from './constants.ts';

export interface KernelVerdict {
  /** Signed; see `VERDICT`. */
  readonly code: number;
  readonly chain: string | undefined;
}

export function verdictToKernel(verdict: Verdict): KernelVerdict {
  if ('jump' in verdict) return { code: VERDICT.jump, chain: verdict.jump.target };
  if ('goto' in verdict) return { code: VERDICT.goto, chain: verdict.goto.target };
  const code = 'accept' in verdict ? VERDICT.accept : 'drop' in verdict ? VERDICT.drop : VERDICT.return;
  return { code, chain: undefined };
}

/** Undefined for a verdict that we never make (queue, continue, …). */
export function verdictFromKernel({ code, chain }: KernelVerdict): Verdict | undefined {
  switch (code) {
    case VERDICT.accept:
      return { accept: null };
    case VERDICT.drop:
      return { drop: null };
    case VERDICT.return:
      return { return: null };
    case VERDICT.jump:
      return chain === undefined ? undefined : { jump: { target: chain } };
    case VERDICT.goto:
      return chain === undefined ? undefined : { goto: { target: chain } };
    default:
      return undefined;
  }
}

/** Writes attribute `type` with a verdict as nft_data inside. */
export function writeVerdictData(writer: ByteWriter, type: number, { code, chain }: KernelVerdict): void {
  writeNested(writer, type, (data) =>
    writeNested(data, NFTA_DATA_VERDICT, (verdict) => {
      writeU32(verdict, NFTA_VERDICT_CODE, code >>> 0);
      if (chain !== undefined) writeString(verdict, NFTA_VERDICT_CHAIN, chain);
    }),
  );
}

/** Reads nft_data that holds a verdict; undefined if it holds a value. */
export function readVerdictData(data: Uint8Array): KernelVerdict | undefined {
  const nested = readAttributes(data).get(NFTA_DATA_VERDICT);
  if (nested === undefined) return undefined;
  const attributes = readAttributes(nested);
  const code = attributes.get(NFTA_VERDICT_CODE);
  const chain = attributes.get(NFTA_VERDICT_CHAIN);
  if (code === undefined) return undefined;
  return { code: readU32(code) | 0, chain: chain === undefined ? undefined : readString(chain) };
}
