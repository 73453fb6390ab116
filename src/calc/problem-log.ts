/** Problems of single resources, as differences since the last flush. A resource can have several at once. */
import { DeltaTracker } from '../base/delta.ts';
import { drain } from './drain.ts';

export class ProblemLog {
  private readonly byResource = new Map<string, Map<string, string>>();
  private readonly texts = new DeltaTracker<string, string>((a, b) => a === b);

  /** States the resource's problem of one aspect (such as `rules`); undefined: that aspect is in order. */
  report(resource: string, aspect: string, problem: string | undefined): void {
    let aspects = this.byResource.get(resource);
    if (aspects?.get(aspect) === problem) return;
    if (aspects === undefined) this.byResource.set(resource, (aspects = new Map()));
    if (problem === undefined) aspects.delete(aspect);
    else aspects.set(aspect, problem);
    if (aspects.size === 0) this.clear(resource);
    else {
      const sorted = [...aspects].toSorted(([a], [b]) => (a < b ? -1 : 1));
      this.texts.setDesired(resource, sorted.map(([, text]) => text).join('; '));
    }
  }

  /** Forgets every problem of the resource. */
  clear(resource: string): void {
    this.byResource.delete(resource);
    this.texts.deleteDesired(resource);
  }

  flush(): Map<string, string | undefined> {
    return drain(this.texts);
  }
}
