/**
 * What became of attributes on their way to a group of peers, so that they go through export once and not once per
 * prefix. Bounded: a place in it is taken by whoever came last.
 */
import type { RouteEdit } from './policy/route-edit.ts';
import type { AttributeId } from './rib/attribute-store.ts';
import type { Rib } from './rib/rib.ts';
import type { SourceId } from './rib/sources.ts';

/** A power of two. */
const PLACES = 4096;

export class ExportMemo {
  private readonly attributes = new Uint32Array(PLACES);
  private readonly sources = new Uint16Array(PLACES);
  private readonly edits: (RouteEdit | undefined)[] = Array.from({ length: PLACES });
  private readonly results = new Uint32Array(PLACES);
  /** Of the sources when the entries were made. */
  private version: number;

  constructor(private readonly rib: Rib) {
    this.version = rib.sourceVersion;
  }

  /** The exported attributes, 0 for none; undefined if they are not known. */
  get(attribute: AttributeId, source: SourceId, edit: RouteEdit): AttributeId | undefined {
    if (this.version !== this.rib.sourceVersion) this.clear();
    const place = placeOf(attribute, source);
    const known =
      this.attributes[place] === attribute && this.sources[place] === source && this.edits[place] === edit;
    return known ? this.results[place]! : undefined;
  }

  /** Remembers the exported attributes, and takes over the hold on them. */
  set(attribute: AttributeId, source: SourceId, edit: RouteEdit, result: AttributeId): AttributeId {
    const place = placeOf(attribute, source);
    this.vacate(place);
    // Held, so that the numbers mean what they meant.
    this.rib.attributes.hold(attribute);
    this.attributes[place] = attribute;
    this.sources[place] = source;
    this.edits[place] = edit;
    this.results[place] = result;
    return result;
  }

  clear(): void {
    for (let place = 0; place < PLACES; place++) this.vacate(place);
    this.version = this.rib.sourceVersion;
  }

  private vacate(place: number): void {
    const { attributes } = this.rib;
    if (this.attributes[place] === 0) return;
    attributes.release(this.attributes[place]!);
    if (this.results[place] !== 0) attributes.release(this.results[place]!);
    this.attributes[place] = 0;
    this.edits[place] = undefined;
  }
}

function placeOf(attribute: AttributeId, source: SourceId): number {
  return (attribute ^ Math.imul(source, 0x9e37)) & (PLACES - 1);
}
