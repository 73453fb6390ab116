import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { inventPod } from '../../../src/explain/cluster.ts';
import { explain } from '../../../src/explain/explanation.ts';
import { formatExplanation } from '../../../src/explain/format.ts';
import { parseDestination, parseParty } from '../../../src/explain/question.ts';
import { storedForm } from '../../../src/model/convert/stored-form.ts';
import { type KnownResource, isKnown } from '../../../src/model/registry.ts';
import { resourcesOf } from '../../resources-of.ts';
import type { Address } from '../../../src/net/address.ts';

const root = new URL('../../../', import.meta.url);

function storedOf(text: string): KnownResource[] {
  return resourcesOf(text).flatMap((resource) => {
    const stored = storedForm(resource);
    return isKnown(stored) ? [stored] : [];
  });
}

const pod = (name: string, address: string): KnownResource =>
  inventPod({ namespace: 'shop', name, labels: { app: name }, addresses: [address as Address] });

it('says of a denied connection what the README shows', () => {
  const readme = readFileSync(new URL('README.md', root), 'utf8');
  const [, question, shown] = /\$ margayctl explain (.+)\n([^`]+)```/.exec(readme)!;
  const [source, destination] = question!.split(' ') as [string, string];
  const resources = [
    ...storedOf('apiVersion: v1\nkind: Namespace\nmetadata: {name: shop}\n'),
    ...['default-deny', 'frontend-backend-database'].flatMap((name) =>
      storedOf(readFileSync(new URL(`policies/${name}.yaml`, root), 'utf8')),
    ),
    pod('frontend', '10.65.0.2'),
    pod('database', '10.65.0.130'),
  ];
  const options = { namespace: 'default' };
  const { party, service } = parseDestination(destination, options);
  const answer = explain(resources, { source: parseParty(source, options), destination: party, service });
  expect(answer.verdict).toBe('deny');
  const output = formatExplanation(answer, { all: false }).replaceAll(/\s+/g, ' ');
  // An ellipsis stands for what is left out, and long lines are broken.
  for (const part of shown!.split('…')) expect(output).toContain(part.replaceAll(/\s+/g, ' ').trim());
});
