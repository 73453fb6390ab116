/** Tar archives (POSIX.1-2017 pax, "ustar Interchange Format"), for diagnostics. */

export interface TarFile {
  /** At most 100 bytes. */
  readonly name: string;
  readonly content: string | Buffer;
}

const BLOCK = 512;

/** The archive of regular files, readable by their owner only; `time` in seconds since the epoch. */
export function tarArchive(files: readonly TarFile[], time: number): Buffer {
  const parts = files.flatMap(({ name, content }) => {
    const data = Buffer.from(content);
    const padding = Buffer.alloc((BLOCK - (data.length % BLOCK)) % BLOCK);
    return [header(name, data.length, time), data, padding];
  });
  return Buffer.concat([...parts, Buffer.alloc(2 * BLOCK)]);
}

function header(name: string, size: number, time: number): Buffer {
  const block = Buffer.alloc(BLOCK);
  if (Buffer.byteLength(name) > 100) throw new RangeError(`name too long for a tar archive: ${name}`);
  const octal = (value: number, digits: number): string => `${value.toString(8).padStart(digits, '0')}\0`;
  block.write(name, 0);
  block.write(octal(0o600, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(size, 11), 124);
  block.write(octal(Math.floor(time), 11), 136);
  // The checksum is taken with spaces in its own place.
  block.write(' '.repeat(8), 148);
  block.write('0', 156);
  block.write('ustar\0' + '00', 257);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148);
  return block;
}
