/** Acknowledgements, positive and negative (linux/netlink.h `struct nlmsgerr`, `enum nlmsgerr_attrs`). */
import { ByteReader } from '../net/bytes.ts';
import { readAttributes, readString } from './attribute.ts';
import {
  NLMSG_DONE,
  NLMSG_ERROR,
  NLMSG_HEADER_LENGTH,
  NLM_F_ACK_TLVS,
  NLM_F_CAPPED,
  type NetlinkMessage,
  align4,
} from './message.ts';

const NLMSGERR_ATTR_MSG = 1;

/** An NLMSG_ERROR or NLMSG_DONE: `errno` is 0 or a positive error number, `text` the kernel's own words, if any. */
export interface Acknowledgement {
  readonly errno: number;
  readonly text: string | undefined;
}

/** Decodes the payload of NLMSG_ERROR, or of the NLMSG_DONE that ends a dump. */
export function readAcknowledgement(message: NetlinkMessage): Acknowledgement {
  const { type, flags, payload } = message;
  const reader = new ByteReader(payload);
  // A DONE without a payload is how old kernels end a dump.
  if (type === NLMSG_DONE && reader.remaining < 4) return { errno: 0, text: undefined };
  const errno = 0 - (reader.u32le() | 0);
  if ((flags & NLM_F_ACK_TLVS) === 0) return { errno, text: undefined };
  if (type === NLMSG_ERROR) {
    const request = reader.u32le();
    const echoed = (flags & NLM_F_CAPPED) === 0 ? align4(request) : NLMSG_HEADER_LENGTH;
    reader.skip(Math.max(0, echoed - 4));
  }
  const text = readAttributes(payload, reader.offset).get(NLMSGERR_ATTR_MSG);
  return { errno, text: text === undefined ? undefined : readString(text) };
}
