/** A short run of `npm run fuzz -- bgp`, and the proof that it would find what it looks for. */
import { describe, expect, it } from 'vitest';
import { ATTRIBUTE_CODECS } from '../../../../src/bgp/wire/attribute.ts';
import { SESSIONS, corpus } from '../../../fuzz/bgp-corpus.ts';
import { defects } from '../../../fuzz/bgp-defects.ts';
import { BgpFuzzer, describeCase } from '../../../fuzz/bgp-fuzz.ts';
import { takeApart } from '../../../fuzz/bgp-message.ts';
import { tryMessage } from '../../../fuzz/bgp-trial.ts';

const MESSAGES = 10_000;
/** Milliseconds, for a machine that has much else to do. */
const TIMEOUT = 60_000;
const fuzzer = new BgpFuzzer();

describe('the corpus of the fuzzer', () => {
  const messages = corpus();

  it('is valid, and means what the oracle says', () => {
    for (const message of messages)
      expect(tryMessage(message), describeCase(message)).not.toHaveProperty('problem');
    const refused = messages.filter((message) => tryMessage(message).outcome === 'error');
    expect(refused.map(describeCase)).toEqual([]);
  });

  it('holds every message type, every attribute and every kind of session', () => {
    expect(new Set(messages.map(({ bytes }) => bytes[18]))).toEqual(new Set([1, 2, 3, 4, 5]));
    const codes = new Set(
      messages.flatMap(({ bytes }) => takeApart(bytes)?.attributes.map(({ code }) => code) ?? []),
    );
    for (const { code, name } of ATTRIBUTE_CODECS) expect(codes, name).toContain(code);
    expect(new Set(messages.map(({ session }) => session)).size).toBe(SESSIONS.length);
  });
});

describe('damaged messages', () => {
  it(
    'end in what the RFCs say, and at least half are read as far as their attributes',
    () => {
      const { finding, messages, reachedAttributes } = fuzzer.run({
        seed: 1,
        messages: MESSAGES,
        samples: 0,
      });
      expect(
        finding === undefined ? '' : `${finding.detail}\n${describeCase(fuzzer.minimize(finding))}`,
      ).toBe('');
      expect(messages).toBe(MESSAGES);
      expect(reachedAttributes).toBeGreaterThan(MESSAGES / 2);
    },
    TIMEOUT,
  );
});

describe('the fuzzer finds what is planted:', () => {
  it.each(defects.map((defect) => [defect.kind, defect.name, defect] as const))(
    '%s, %s',
    (kind, _, { make }) => {
      const decode = make();
      const { finding } = fuzzer.run({
        seed: 1,
        messages: MESSAGES,
        decode,
        samples: kind === 'leak' ? 8 : 0,
        ...(kind === 'hang' ? { hang: 300 } : {}),
      });
      expect(finding).toMatchObject({ kind });
      if (finding === undefined || kind === 'leak' || kind === 'hang') return;
      const smallest = fuzzer.minimize(finding, decode);
      expect(smallest.bytes.length).toBeLessThanOrEqual(fuzzer.make(finding.seed).bytes.length);
    },
    TIMEOUT,
  );
});
