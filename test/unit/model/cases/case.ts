/** One line of the tables of documents: what replaces the spec or metadata of the kind's valid document, and the problems that this makes. */
export type Case = readonly [kind: string, part: 'spec' | 'metadata', value: unknown, ...problems: string[]];
