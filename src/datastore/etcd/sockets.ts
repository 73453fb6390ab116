/**
 * Which socket a gRPC connection has. Closing a connection leaves the kernel to deliver what it could not send yet: a
 * request that was given up, and repeated on another connection, would come in late and bring back what was deleted
 * since. Only a reset throws it away, and gRPC has none; but Node tells of each socket that it opens.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Socket } from 'node:net';

/** https://nodejs.org/docs/latest-v20.x/api/diagnostics_channel.html#net */
const OPENED = 'net.client.socket';

export class ConnectionSockets {
  private readonly sockets = new WeakMap<object, Socket[]>();
  private readonly opening = new Set<object>();
  private readonly connection = new AsyncLocalStorage<object>();

  /** Runs what opens the connection, at once or later: the sockets that it opens are those of `connection`. */
  open<T>(connection: object, run: () => T): T {
    if (this.sockets.has(connection)) return run();
    this.sockets.set(connection, []);
    if (this.opening.size === 0) subscribe(OPENED, this.onOpened);
    this.opening.add(connection);
    return this.connection.run(connection, run);
  }

  /** Resets the sockets of a connection, so that nothing more of what was sent on it comes in. */
  reset(connection: object): void {
    for (const socket of this.sockets.get(connection) ?? []) {
      if (!socket.destroyed) socket.resetAndDestroy();
    }
    this.forget(connection);
  }

  /** Call for each connection that is opened, when it is closed. */
  forget(connection: object): void {
    this.opened(connection);
    this.sockets.delete(connection);
  }

  private readonly onOpened = (message: unknown): void => {
    const connection = this.connection.getStore();
    if (connection === undefined) return;
    const { socket } = message as { readonly socket: Socket };
    this.sockets.get(connection)?.push(socket);
    socket.once('connect', () => this.opened(connection));
  };

  /** A context that is followed costs every promise of the process something, so it ends with the last opening. */
  private opened(connection: object): void {
    if (!this.opening.delete(connection) || this.opening.size > 0) return;
    unsubscribe(OPENED, this.onOpened);
    this.connection.disable();
  }
}
