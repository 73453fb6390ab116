/** What a step of a conformance case changes, and how to put it back. */
import { withoutVersion } from '../datastore/stamp.ts';
import { storedForm } from '../model/convert/stored-form.ts';
import { isKindOf, isVersionOf, kinds } from '../model/registry.ts';
import { type Resource, type ResourceKey, keyOf, keyText } from '../model/resource.ts';
import type { ResourceReference, Suite } from './conformance-suite.ts';
import type { Lab } from './lab.ts';

/** Changes a lab and remembers how it was. */
export class Undo {
  private readonly before = new Map<string, { key: ResourceKey; resource: Resource | undefined }>();
  private readonly relabelled = new Map<string, { kind: 'Pod' | 'Namespace'; name: string }>();
  private readonly current = new Map<string, Readonly<Record<string, string>>>();

  constructor(
    private readonly lab: Lab,
    private readonly suite: Suite,
  ) {}

  async write(resource: Resource): Promise<number> {
    await this.remember(keyOf(storedForm(resource)));
    return (await this.lab.open()).write(resource);
  }

  async remove(reference: ResourceReference): Promise<number | undefined> {
    const key = this.keyOf(reference);
    await this.remember(key);
    return (await this.lab.open()).remove(key);
  }

  /** The labels of a pod or namespace as they are now. */
  labels(kind: 'Pod' | 'Namespace', name: string): Readonly<Record<string, string>> {
    return this.current.get(`${kind} ${name}`) ?? this.original(kind, name);
  }

  async relabel(
    kind: 'Pod' | 'Namespace',
    name: string,
    labels: Readonly<Record<string, string>>,
  ): Promise<number> {
    this.relabelled.set(`${kind} ${name}`, { kind, name });
    this.current.set(`${kind} ${name}`, labels);
    return kind === 'Pod'
      ? this.lab.setWorkloadLabels(name, labels)
      : this.lab.setNamespaceLabels(name, labels);
  }

  /** Puts everything back; the newest revision, or undefined if nothing had been changed. */
  async all(): Promise<number | undefined> {
    const client = await this.lab.open();
    const revisions: number[] = [];
    for (const { key, resource } of [...this.before.values()].toReversed()) {
      const revision =
        resource === undefined ? await client.remove(key) : await client.write(withoutVersion(resource));
      if (revision !== undefined) revisions.push(revision);
    }
    for (const { kind, name } of this.relabelled.values()) {
      revisions.push(await this.relabel(kind, name, this.original(kind, name)));
    }
    this.before.clear();
    this.relabelled.clear();
    return revisions.length === 0 ? undefined : Math.max(...revisions);
  }

  private original(kind: 'Pod' | 'Namespace', name: string): Readonly<Record<string, string>> {
    const labels =
      kind === 'Pod' ? this.suite.pods.find((pod) => pod.name === name)?.labels : this.suite.namespaces[name];
    if (labels === undefined) throw new RangeError(`the suite has no ${kind} ${name}`);
    return labels;
  }

  private async remember(key: ResourceKey): Promise<void> {
    const id = keyText(key);
    if (this.before.has(id)) return;
    this.before.set(id, { key, resource: await (await this.lab.open()).find(key) });
  }

  /**
   * Without an apiVersion by what was written, because users' kinds are not unique: two kinds are called NetworkPolicy.
   * What is stored in another form, such as a Namespace, is deleted in that form.
   */
  private keyOf({ apiVersion, kind, namespace, name }: ResourceReference): ResourceKey {
    const meant = kinds.filter(
      (one) => isKindOf(one, kind) && (apiVersion === undefined || isVersionOf(one, apiVersion)),
    );
    const keys = (meant.length === 0 ? [{ kind, namespaced: namespace !== undefined }] : meant).map((one) =>
      keyOf(
        storedForm({
          apiVersion: '',
          kind: one.kind,
          metadata: { name, ...(one.namespaced ? { namespace: namespace ?? 'default' } : {}) },
          spec: {},
        }),
      ),
    );
    return keys.find((key) => this.before.has(keyText(key))) ?? keys[0]!;
  }
}
