import { parseDestination, parseParty } from '../../../src/explain/question.ts';

/** A question as it is asked on the command line, in namespace `shop`. */
export function questionOf(source: string, destination: string) {
  const options = { namespace: 'shop' };
  const { party, service } = parseDestination(destination, options);
  return { source: parseParty(source, options), destination: party, service };
}
