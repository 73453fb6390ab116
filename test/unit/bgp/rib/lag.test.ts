import { expect, it } from 'vitest';
import { Lag } from '../../../../src/bgp/rib/lag.ts';
import { PrefixTable } from '../../../../src/bgp/rib/prefix-table.ts';

const SIZE = 10;

function tableOf(size: number): PrefixTable {
  const table = new PrefixTable(4, 1);
  for (let index = 0; index < size; index++) table.hold(table.findOrAdd(index << 8, 0, 0, 0, 24));
  return table;
}

/** Tells a peer of up to three prefixes at a time until it knows all. Returns what it was told, by turn. */
function tell(lag: Lag, wanted: (prefix: number) => boolean = () => true): number[][] {
  const turns: number[][] = [];
  while (!lag.isOver) {
    lag.walk(3, wanted);
    const prefixes = lag.next(3);
    for (const prefix of prefixes) lag.settle(prefix);
    turns.push(prefixes);
  }
  return turns;
}

it('walks through the table a piece at a time, and tells what is wanted of it once', () => {
  const lag = new Lag(tableOf(SIZE));
  expect(lag.isOver).toBe(true);
  lag.tellAll();
  expect(tell(lag, (prefix) => prefix % 2 === 0)).toEqual([[0, 2], [4], [6, 8], []]);
});

it('knows that a peer which is new holds nothing of what the walk has not come to', () => {
  const lag = new Lag(tableOf(SIZE));
  lag.tellAll();
  lag.walk(3, () => true);
  expect([2, 3].map((prefix) => lag.isUntold(prefix))).toEqual([false, true]);
  expect([2, 3].map((prefix) => lag.isDueAgain(prefix))).toEqual([false, false]);
  expect(lag.has(2) && !lag.holds(2)).toBe(true);
  tell(lag);
  expect(lag.isUntold(9)).toBe(false);
});

it('tells all again to a peer that holds it, from the beginning whenever it asks', () => {
  const lag = new Lag(tableOf(SIZE));
  lag.tellAgain();
  lag.walk(3, () => true);
  expect([2, 3].map((prefix) => lag.isDueAgain(prefix))).toEqual([false, true]);
  expect(lag.isUntold(3)).toBe(false);
  expect(lag.holds(2)).toBe(true);
  for (const prefix of lag.next(3)) lag.settle(prefix);
  lag.tellAgain();
  expect(tell(lag).flat()).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});

it('tells all again after the first telling to a peer that asks during it', () => {
  const lag = new Lag(tableOf(4));
  lag.tellAll();
  lag.walk(3, () => true);
  for (const prefix of lag.next(3)) lag.settle(prefix);
  lag.tellAgain();
  expect([0, 3].map((prefix) => lag.isDueAgain(prefix))).toEqual([true, true]);
  expect(tell(lag).flat()).toEqual([3, 0, 1, 2, 3]);
});

it('holds no prefix once it is let go of', () => {
  const table = tableOf(SIZE);
  const lag = new Lag(table);
  lag.tellAll();
  lag.walk(4, () => true);
  lag.clear();
  for (let prefix = 0; prefix < SIZE; prefix++) table.release(prefix);
  expect(table.size).toBe(0);
});
