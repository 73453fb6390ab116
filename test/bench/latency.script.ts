/**
 * Round trip of one byte on an established TCP connection between pods on two hosts under 1,000 policies, against
 * bare routed veth.
 *
 *   npm run bench -- latency [--pods N] [--policies N] [--local N] [--runs N] [--milliseconds N]
 */
import { benchEstablished } from './established.ts';

await benchEstablished('latency', 'ping', 'us');
