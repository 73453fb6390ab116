/**
 * What the program's entry does in a worker. The BGP thread dies once when MARGAY_TEST_WORKER_DIES names a file and a
 * second file `.now` comes; with MARGAY_TEST_WORKER_BUSY it does nothing else for a while once the file is there, which
 * it then removes.
 */
import { existsSync, rmSync } from 'node:fs';
import { workerData } from 'node:worker_threads';
import { runWorker } from '../../src/bgp/worker.ts';

const BUSY_MILLISECONDS = 1500;

const { MARGAY_TEST_WORKER_DIES: dies, MARGAY_TEST_WORKER_BUSY: busy } = process.env;
runWorker(__filename);
if ((workerData as { role: string }).role === 'bgp') {
  const timer = setInterval(() => {
    if (dies !== undefined && existsSync(dies) && existsSync(`${dies}.now`)) {
      clearInterval(timer);
      rmSync(dies);
      throw new Error('the fuse has burnt');
    }
    if (busy !== undefined && existsSync(busy)) {
      const end = performance.now() + BUSY_MILLISECONDS;
      while (performance.now() < end);
      rmSync(busy);
    }
  }, 20);
}
