/** Numbers of linux/netfilter/nf_tables.h and nfnetlink.h that more than one codec file needs. */

export const NETLINK_NETFILTER = 12;
export const NFPROTO_INET = 1;
export const NFPROTO_IPV4 = 2;
export const NFPROTO_IPV6 = 10;
export const NFNL_SUBSYS_NFTABLES = 10;
export const NFNL_MSG_BATCH_BEGIN = 0x10;
export const NFNL_MSG_BATCH_END = 0x11;
export const NFNL_BATCH_GENID = 1;
export const NFNLGRP_NFTABLES = 7;

/** `enum nf_tables_msg_types` (the ones used). */
export const NFT_MSG = {
  NEWTABLE: 0,
  GETTABLE: 1,
  DELTABLE: 2,
  NEWCHAIN: 3,
  GETCHAIN: 4,
  DELCHAIN: 5,
  NEWRULE: 6,
  GETRULE: 7,
  DELRULE: 8,
  NEWSET: 9,
  GETSET: 10,
  DELSET: 11,
  NEWSETELEM: 12,
  GETSETELEM: 13,
  DELSETELEM: 14,
  NEWGEN: 15,
  GETGEN: 16,
} as const;

/** The netlink message type of an nf_tables message. */
export function messageType(message: number): number {
  return (NFNL_SUBSYS_NFTABLES << 8) | message;
}

/** `enum nft_verdicts`, as signed 32-bit numbers. */
export const VERDICT = { drop: 0, accept: 1, jump: -3, goto: -4, return: -5 } as const;

export const NFTA_LIST_ELEM = 1;
export const NFTA_DATA_VALUE = 1;
export const NFTA_DATA_VERDICT = 2;
export const NFTA_VERDICT_CODE = 1;
export const NFTA_VERDICT_CHAIN = 2;
/** Data type of a verdict map's values. */
export const NFT_DATA_VERDICT = 0xffffff00;
