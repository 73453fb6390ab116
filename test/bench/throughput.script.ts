/**
 * Throughput of one TCP connection between pods on two hosts under 1,000 policies, against bare routed veth.
 *
 *   npm run bench -- throughput [--pods N] [--policies N] [--local N] [--runs N] [--milliseconds N]
 */
import { benchEstablished } from './established.ts';

await benchEstablished('throughput', 'send', 'Gbit/s');
