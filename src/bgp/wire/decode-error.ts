/** How decoders say that bytes are no message (RFC 4271 §6): by a {@link DecodeError}, thrown inside this room and never out of it. */
import { ShortReadError } from '../../net/bytes.ts';
import type { DecodeError } from './message.ts';

const NO_DATA = new Uint8Array(0);

export function decodeError(
  code: number,
  subcode: number,
  reason: string,
  data: Uint8Array = NO_DATA,
): DecodeError {
  return { type: 'error', code, subcode, data, reason };
}

/** Carries a {@link DecodeError} up to {@link catchDecodeError}. */
export class DecodeFault extends Error {
  constructor(readonly error: DecodeError) {
    super(error.reason);
    this.name = 'DecodeFault';
  }
}

/** Runs a decoder; a fault or a read past the end (`short`) comes back as a value, anything else is a bug of ours. */
export function catchDecodeError<Value>(decode: () => Value, short: DecodeError): Value | DecodeError {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeFault) return error.error;
    if (error instanceof ShortReadError) return { ...short, reason: `${short.reason}: ${error.message}` };
    throw error;
  }
}
