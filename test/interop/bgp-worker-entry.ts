/** What the program's entry does in a worker. With MARGAY_TEST_WORKER_DIES naming a file, it dies once. */
import { existsSync, rmSync } from 'node:fs';
import { runBgpWorker } from '../../src/bgp/worker.ts';

const fuse = process.env['MARGAY_TEST_WORKER_DIES'];
runBgpWorker();
if (fuse !== undefined && existsSync(fuse)) {
  const timer = setInterval(() => {
    if (!existsSync(`${fuse}.now`)) return;
    clearInterval(timer);
    rmSync(fuse);
    throw new Error('the fuse has burnt');
  }, 20);
}
