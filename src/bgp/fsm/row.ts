/** The shape of the state machine's table (step.ts). */
import type { SessionEvent } from './event.ts';
import type { SessionConnection, SessionState } from './session.ts';
import type { Turn } from './turn.ts';

type EventOf<Type extends SessionEvent['type']> = Extract<SessionEvent, { type: Type }>;
type ConnectionEvent = Extract<SessionEvent, { connection: string }>['type'];

/** Handlers of a row; those of connection events get the connection, which is then in the row's state. */
export type Row = {
  readonly [Type in SessionEvent['type']]?: Type extends Exclude<ConnectionEvent, 'tcp-accepted'>
    ? (turn: Turn, event: EventOf<Type>, connection: SessionConnection) => void
    : (turn: Turn, event: EventOf<Type>) => void;
};

/** Of the session, or of one connection. */
export type RowState = SessionState | SessionConnection['state'];
