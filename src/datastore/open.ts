/** Opens the datastore that a configuration names; each implementation is loaded only when it is asked for. */
import type { Logger } from '../base/log.ts';
import type { DatastoreConfig } from './config.ts';
import type { Datastore } from './datastore.ts';
import { MemoryDatastore } from './memory.ts';

export interface OpenOptions {
  readonly logger?: Logger;
}

/**
 * Opens a datastore. A directory is made if it is missing, and rejects with a DatastoreError if that fails; etcd is
 * contacted only by the first call, so that it may start later.
 */
export async function openDatastore(config: DatastoreConfig, options: OpenOptions = {}): Promise<Datastore> {
  switch (config.type) {
    case 'memory':
      return new MemoryDatastore();
    case 'directory': {
      const { DirectoryDatastore } = await import('./directory/directory.ts');
      return DirectoryDatastore.open(config.path, options);
    }
    case 'etcdv3': {
      const { EtcdDatastore } = await import('./etcd/etcd.ts');
      return EtcdDatastore.open(config);
    }
  }
}
