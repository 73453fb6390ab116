/** The looking glass on the local socket: `GET /bgp/…` asks, `POST /bgp/…` acts. Parameters are those of BgpQuestions. */
import type { BgpQuestions, RouteOwner, RouteWhy, ServiceAddressView } from '../base/bgp-view.ts';
import { type Address, parseAddress } from '../net/address.ts';
import { type Prefix, parsePrefix } from '../net/prefix.ts';
import { type LocalHandler, LocalRequestError } from './local-server.ts';

export interface BgpRequestOptions {
  readonly look: <Name extends keyof BgpQuestions>(
    name: Name,
    params: BgpQuestions[Name]['params'],
  ) => Promise<BgpQuestions[Name]['result']>;
  readonly owner: (address: Address) => Promise<RouteOwner>;
  readonly servicesWith: (address: Address) => readonly ServiceAddressView[];
}

/** RFC 9003 §2. */
const COMMUNICATION_LIMIT = 255;

/** By method and path. */
export function bgpHandlers({ look, owner, servicesWith }: BgpRequestOptions): [string, LocalHandler][] {
  return [
    ['GET /bgp/neighbors', () => look('neighbors', undefined)],
    [
      'GET /bgp/routes',
      (query) =>
        look('routes', {
          ...page(query),
          ...optional('family', query.get('family'), family),
          ...optional('peer', query.get('peer'), (text) => text),
          ...optional('within', query.get('within'), prefix),
          best: query.get('best') === 'true',
        }),
    ],
    ['GET /bgp/advertised', (query) => look('advertised', { peer: peer(query), ...page(query) })],
    [
      'GET /bgp/why',
      async (query): Promise<RouteWhy> => {
        const address = addressOf(query.get('address'));
        return {
          ...(await look('why', { address })),
          owner: await owner(address),
          services: servicesWith(address),
        };
      },
    ],
    [
      'GET /bgp/filter',
      (query) =>
        look('filter', {
          peer: peer(query),
          direction: query.get('direction') === 'export' ? 'export' : 'import',
          prefix: prefix(query.get('prefix') ?? ''),
          asPath: numbers(query.get('as-path')),
          communities: communities(query.get('communities')),
          learned: query.get('learned') !== 'false',
        }),
    ],
    ['POST /bgp/mrt-dump', (query) => look('mrtDump', { file: absolute(query.get('file')) })],
    ['POST /bgp/clear', (query) => look('clear', { peer: peer(query), how: how(query.get('how')) })],
    [
      'POST /bgp/down',
      (query) => {
        const communication = query.get('communication') ?? '';
        if (Buffer.byteLength(communication) > COMMUNICATION_LIMIT) {
          throw new LocalRequestError(
            400,
            `communication has more than ${COMMUNICATION_LIMIT} octets (RFC 9003)`,
          );
        }
        return look('down', { peer: peer(query), communication });
      },
    ],
    ['POST /bgp/up', (query) => look('up', { peer: peer(query) })],
  ];
}

function optional<Key extends string, Value>(
  key: Key,
  text: string | null,
  read: (text: string) => Value,
): { [K in Key]?: Value } {
  return (text === null ? {} : { [key]: read(text) }) as { [K in Key]?: Value };
}

function page(query: URLSearchParams): { readonly cursor?: string; readonly limit?: number } {
  return {
    ...optional('cursor', query.get('cursor'), (text) => text),
    ...optional('limit', query.get('limit'), (text) => number(text, 'limit')),
  };
}

function peer(query: URLSearchParams): string {
  const name = query.get('peer');
  if (name === null) throw new LocalRequestError(400, 'peer=NAME or peer=ADDRESS is missing');
  return name;
}

function absolute(file: string | null): string {
  if (file?.startsWith('/') === true) return file;
  throw new LocalRequestError(400, 'file=/ABSOLUTE/PATH is missing');
}

function family(text: string): 4 | 6 {
  if (text === '4' || text === '6') return text === '4' ? 4 : 6;
  throw new LocalRequestError(400, `family is 4 or 6, not ${text}`);
}

function prefix(text: string): Prefix {
  const parsed = parsePrefix(text);
  if (parsed === undefined) throw new LocalRequestError(400, `${JSON.stringify(text)} is no prefix`);
  return parsed;
}

function addressOf(text: string | null): Address {
  const parsed = parseAddress(text ?? '');
  if (parsed === undefined) throw new LocalRequestError(400, `${JSON.stringify(text)} is no address`);
  return parsed;
}

function how(text: string | null): 'hard' | 'in' | 'out' {
  if (text === null) return 'hard';
  if (text === 'in' || text === 'out') return text;
  throw new LocalRequestError(400, `how is in or out, not ${text}`);
}

function number(text: string, name: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value > 0xffff_ffff) {
    throw new LocalRequestError(400, `${name}: ${JSON.stringify(text)} is no number of 32 bits`);
  }
  return value;
}

function numbers(text: string | null): number[] {
  return words(text).map((word) => number(word, 'as-path'));
}

function communities(text: string | null): string[] {
  return words(text).map((word) => {
    if (!/^\d+:\d+(:\d+)?$/.test(word)) {
      throw new LocalRequestError(400, `communities are 65000:1 or 65000:1:2, not ${word}`);
    }
    return word;
  });
}

function words(text: string | null): string[] {
  return (text ?? '').split(/[\s,]+/).filter((word) => word !== '');
}
