/** Batches of routes over a connection: written as they are put in (rtnetlink/route-messages.ts), sent as they are. */
import { type PrefixBits, prefixBits } from '../net/prefix-bits.ts';
import type { NetlinkConnection } from './connection.ts';
import type {
  ChangeFailure,
  ChangeResult,
  RouteBatch,
  RouteBatchFailure,
  RouteChange,
  RouteMake,
  RouteSelector,
} from './kernel.ts';
import { barrier } from './message.ts';
import { ROUTE_MESSAGES, RouteMessages } from './rtnetlink/route-messages.ts';

/** From so many messages on, they are sent in the background: handing them to another thread costs some 0.1 ms. */
export const BACKGROUND = 128;

export class LinuxRouteBatch implements RouteBatch {
  private readonly messages = new RouteMessages();
  private begun = false;

  constructor(private readonly connection: NetlinkConnection) {}

  get length(): number {
    return this.begun ? this.messages.length : 0;
  }

  get isFull(): boolean {
    return this.begun && this.messages.isFull;
  }

  set(operation: 'add' | 'replace', destination: PrefixBits, make: RouteMake): void {
    this.begin();
    this.messages.set(operation, destination, make);
  }

  delete(destination: PrefixBits, selector: RouteSelector): void {
    this.begin();
    this.messages.delete(destination, selector);
  }

  async send(): Promise<readonly RouteBatchFailure[]> {
    this.begin();
    const { messages } = this;
    const { length: count, first } = messages;
    messages.end(barrier(first + count));
    const operation = (index: number): string => messages.operation(index);
    const inBackground = count >= BACKGROUND;
    try {
      const written = { first, count, bytes: messages.bytes, operation };
      const { failures } = await this.connection.batchWritten(written, { inBackground });
      return failures;
    } catch (error) {
      await this.connection.sent();
      throw error;
    } finally {
      this.clear();
    }
  }

  clear(): void {
    this.begun = false;
  }

  /** Takes sequences when there is something to be numbered. */
  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.messages.begin(this.connection.reserve(ROUTE_MESSAGES));
  }
}

/** Changes of routes by text, through a batch of their own. */
export async function changeByBatches(
  changes: readonly RouteChange[],
  batch: RouteBatch,
): Promise<ChangeResult<RouteChange>> {
  const failures: ChangeFailure<RouteChange>[] = [];
  let start = 0;
  const send = async (): Promise<void> => {
    const count = batch.length;
    for (const { index, error } of await batch.send())
      failures.push({ change: changes[start + index]!, error });
    start += count;
  };
  for (const { operation, route } of changes) {
    if (batch.isFull) await send();
    const { destination, ...make } = route;
    if (operation === 'delete') batch.delete(prefixBits(destination), make);
    else batch.set(operation, prefixBits(destination), make as RouteMake);
  }
  if (batch.length > 0) await send();
  return { applied: changes.length - failures.length, failures };
}
