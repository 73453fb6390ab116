/** `margayctl get -w`: what is there, and then every change as it happens. */
import { CompactedError, type Datastore, type WatchEvent } from '../datastore/datastore.ts';
import type { KindDefinition } from '../model/kinds/definition.ts';
import { type KnownResource, isKnown } from '../model/registry.ts';
import { keyOf, keyText } from '../model/resource.ts';
import { formatYaml, toDocument } from '../model/yaml.ts';
import type { ColumnContext } from './columns.ts';
import { type GetOptions, asked, columnContext, listOptions, show, tableOf } from './get.ts';
import { portable } from './portable.ts';
import { columnWidths, tableLine } from './table.ts';
import { storedKey } from './target.ts';

export interface WatchOutput {
  readonly write: (text: string) => void;
  readonly writeError: (text: string) => void;
  readonly signal: AbortSignal;
}

/** As Kubernetes' watch names them. */
type Happening = 'ADDED' | 'MODIFIED' | 'DELETED';

/** Prints until the signal aborts. Rejects as the datastore's list and watch do. */
export async function watchResources(
  datastore: Datastore,
  definition: KindDefinition,
  options: GetOptions,
  output: WatchOutput,
): Promise<void> {
  const follower = new Follower(
    definition,
    options,
    await columnContext(datastore, [definition.kind]),
    output,
  );
  while (!output.signal.aborted) {
    const list = await datastore.list(listOptions(definition, options));
    await follower.reset(list.resources.filter(isKnown));
    for (const { key, error } of list.invalid) {
      output.writeError(`${keyText(key)} is stored but invalid: ${error.message}\n`);
    }
    try {
      const from = list.revision;
      const events = datastore.watch({
        ...listOptions(definition, options),
        from,
        signal: output.signal,
        onProblem: (problem) => {
          if (problem !== undefined) output.writeError(`${problem.message}; trying again\n`);
        },
      });
      for await (const batch of events) for (const event of batch) await follower.take(event);
    } catch (error) {
      // History was forgotten meanwhile: the next list tells what changed.
      if (!(error instanceof CompactedError)) throw error;
    }
  }
}

/** Knows what was printed last, and prints what differs. */
class Follower {
  private known: ReadonlyMap<string, KnownResource> | undefined;
  private widths: readonly number[] | undefined;

  constructor(
    private readonly definition: KindDefinition,
    private readonly options: GetOptions,
    private readonly context: ColumnContext,
    private readonly output: WatchOutput,
  ) {}

  /** The whole state: at first all of it is news, later only the differences. */
  async reset(resources: readonly KnownResource[]): Promise<void> {
    const before = this.known ?? new Map<string, KnownResource>();
    const found = resources.flatMap((resource) => this.asked(resource) ?? []);
    const now = new Map(found.map((resource) => [keyText(keyOf(resource)), resource]));
    this.known = now;
    const news = [...now].filter(
      ([id, { metadata }]) => before.get(id)?.metadata.resourceVersion !== metadata.resourceVersion,
    );
    if (this.widths === undefined) await this.head(news.map(([, resource]) => resource));
    for (const [id, resource] of news.toSorted(([a], [b]) => (a < b ? -1 : 1))) {
      await this.print(before.has(id) ? 'MODIFIED' : 'ADDED', resource);
    }
    for (const [id, resource] of before) if (!now.has(id)) await this.print('DELETED', resource);
  }

  async take(event: WatchEvent): Promise<void> {
    const known = new Map(this.known);
    this.known = known;
    if (event.type === 'invalid') {
      this.output.writeError(`${keyText(event.key)} is now invalid: ${event.error.message}\n`);
      return;
    }
    if (event.type === 'put') {
      const resource = isKnown(event.resource) ? this.asked(event.resource) : undefined;
      if (resource === undefined) return;
      const id = keyText(keyOf(resource));
      const happening = known.has(id) ? 'MODIFIED' : 'ADDED';
      known.set(id, resource);
      await this.print(happening, resource);
      return;
    }
    for (const [id, resource] of known) {
      if (keyText(event.key) !== keyText(storedKey(keyOf(resource)))) continue;
      known.delete(id);
      await this.print('DELETED', resource);
    }
  }

  /** The resource in the kind that was asked for, if it is one of the names that were asked for. */
  private asked(resource: KnownResource): KnownResource | undefined {
    const found = asked(resource, this.definition, this.options);
    if (found === undefined) return undefined;
    const { names } = this.options;
    return names.length === 0 || names.includes(found.metadata.name) ? found : undefined;
  }

  private async head(first: readonly KnownResource[]): Promise<void> {
    if (!this.isTable()) return;
    const { headings, rows } = await tableOf(this.definition.kind, first, this.options, this.context);
    const lines = [['EVENT', ...headings], ...rows.map((row) => ['MODIFIED', ...row])];
    this.widths = columnWidths(lines);
    this.output.write(tableLine(lines[0]!, this.widths));
  }

  private async print(happening: Happening, resource: KnownResource): Promise<void> {
    const shown = this.options.portable ? portable(resource) : resource;
    const { kind } = this.definition;
    if (this.isTable()) {
      const { rows } = await tableOf(kind, [shown], this.options, this.context);
      this.output.write(tableLine([happening, ...rows[0]!], this.widths ?? []));
      return;
    }
    switch (this.options.format.type) {
      case 'yaml':
        return this.output.write(`---\n# ${happening}\n${formatYaml(shown)}`);
      case 'json':
        return this.output.write(`${JSON.stringify({ type: happening, object: toDocument(shown) })}\n`);
      case 'ps':
      case 'wide':
      case 'custom-columns':
      case 'name':
      case 'jsonpath':
      case 'go-template':
        return this.output.write(await show([kind], [shown], true, this.options, this.context));
    }
  }

  private isTable(): boolean {
    return ['ps', 'wide', 'custom-columns'].includes(this.options.format.type);
  }
}
