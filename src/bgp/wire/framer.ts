/**
 * Cuts the byte stream of a TCP connection into messages. Whole messages come out as views into what was pushed (no
 * copy); only a message that straddles two pushes is put together in a buffer of our own.
 */
import { EXTENDED_MAXIMUM_LENGTH, HEADER_LENGTH, MAXIMUM_LENGTH, readHeader } from './header.ts';
import type { DecodeError } from './message.ts';

export class MessageFramer {
  private readonly chunks: Uint8Array[] = [];
  private offset = 0;
  private partial = new Uint8Array(MAXIMUM_LENGTH);
  private partialLength = 0;
  private maximum = MAXIMUM_LENGTH;
  private failure: DecodeError | undefined;

  /** From the next message on, lengths up to 65,535 are legal (RFC 8654); set when both sides have offered it. */
  set extendedMessages(on: boolean) {
    this.maximum = on ? EXTENDED_MAXIMUM_LENGTH : MAXIMUM_LENGTH;
  }

  /** Takes bytes as they come. They are not copied: the caller leaves them alone until they are read. */
  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    // Not as the Buffer that a socket gives: views of that are dear, and all that reads messages would be compiled once
    // for it and once more for what is put together here.
    this.chunks.push(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length));
  }

  /**
   * The next whole message, header included; undefined if more bytes are needed; or what is wrong with the stream,
   * after which no message can be found in it any more.
   */
  next(): Uint8Array | DecodeError | undefined {
    while (this.failure === undefined) {
      const chunk = this.chunks[0];
      if (chunk === undefined) return undefined;
      if (this.partialLength === 0) {
        const message = this.whole(chunk);
        if (message !== undefined) return message;
      }
      const message = this.assemble(chunk);
      if (message !== undefined) return message;
    }
    return this.failure;
  }

  private whole(chunk: Uint8Array): Uint8Array | undefined {
    if (chunk.length - this.offset < HEADER_LENGTH) return undefined;
    const length = readHeader(chunk, this.offset, this.maximum);
    if (typeof length !== 'number') {
      this.failure = length;
      return undefined;
    }
    if (chunk.length - this.offset < length) return undefined;
    const message = chunk.subarray(this.offset, this.offset + length);
    this.advance(chunk, length);
    return message;
  }

  private assemble(chunk: Uint8Array): Uint8Array | undefined {
    if (this.failure !== undefined) return undefined;
    if (this.partialLength < HEADER_LENGTH) this.fill(chunk, HEADER_LENGTH);
    if (this.partialLength < HEADER_LENGTH) return undefined;
    const length = readHeader(this.partial, 0, this.maximum);
    if (typeof length !== 'number') {
      this.failure = length;
      return undefined;
    }
    if (length > this.partial.length) {
      const larger = new Uint8Array(EXTENDED_MAXIMUM_LENGTH);
      larger.set(this.partial.subarray(0, this.partialLength));
      this.partial = larger;
    }
    // The header may have taken the last byte of this chunk.
    if (this.chunks[0] === chunk && this.partialLength < length) this.fill(chunk, length);
    if (this.partialLength < length) return undefined;
    this.partialLength = 0;
    return this.partial.slice(0, length);
  }

  /** Moves bytes from the chunk until `wanted` are put together, or the chunk is used up. */
  private fill(chunk: Uint8Array, wanted: number): void {
    const count = Math.min(wanted - this.partialLength, chunk.length - this.offset);
    this.partial.set(chunk.subarray(this.offset, this.offset + count), this.partialLength);
    this.partialLength += count;
    this.advance(chunk, count);
  }

  private advance(chunk: Uint8Array, count: number): void {
    this.offset += count;
    if (this.offset < chunk.length) return;
    this.chunks.shift();
    this.offset = 0;
  }
}
