/**
 * An esbuild plugin that lets the package etcd3 live in a bundle: it reads its .proto files by path when it is
 * loaded, and a bundle has no such path. Here they are read at build time, and the bundle gets what the package makes
 * of them when it runs: functions that write and read messages, of the calls that are used and no others. Making them
 * at each start takes longer than all else that etcd3 does then (half of its 60 milliseconds).
 */
import { readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';

/** What our code calls, by service. */
const CALLS = { KV: ['Range', 'Txn'], Watch: ['Watch'], Auth: ['Authenticate'] };

const PACKAGE = 'etcdserverpb';
const DEFINITION = 'margay:etcd3-definition';

/** What the package says. Another version that says it otherwise fails the build. */
const LOADER = 'const proto_loader_1 = require("@grpc/proto-loader");\n';
const LOADED = /\(0, proto_loader_1\.loadSync\)\(`\$\{__dirname\}\/\.\.\/proto\/rpc\.proto`, (\{[^}]*\})\)/;

export function etcd3Protos() {
  return {
    name: 'etcd3-protos',
    setup(builder) {
      builder.onLoad(
        { namespace: 'file', filter: /[\\/]etcd3[\\/]lib[\\/]connection-pool\.js$/ },
        async ({ path }) => {
          const source = await readFile(path, 'utf8');
          if (!source.includes(LOADER) || !LOADED.test(source)) {
            return {
              errors: [{ text: `${path} does not load its protos as expected; see etcd3-protos.mjs` }],
            };
          }
          const contents = source
            .replace(LOADER, '')
            .replace(LOADED, (_, options) => `require('${DEFINITION}')(${options})`);
          return { contents, loader: 'js' };
        },
      );
      builder.onResolve({ filter: /^margay:etcd3-definition$/ }, ({ importer }) => ({
        path: importer,
        namespace: 'etcd3-definition',
      }));
      builder.onLoad({ filter: /.*/, namespace: 'etcd3-definition' }, ({ path }) => {
        const require = createRequire(path);
        const loader = require.resolve('@grpc/proto-loader');
        const protobuf = createRequire(loader)('protobufjs');
        const protos = join(dirname(path), '..', 'proto');
        return {
          contents: definition(protobuf, join(protos, 'rpc.proto')),
          loader: 'js',
          resolveDir: dirname(loader),
          watchFiles: ['rpc.proto', 'kv.proto', 'auth.proto'].map((name) => join(protos, name)),
        };
      });
    },
  };
}

/** A module that is a function: of proto-loader's options, to what grpc-js takes as a package definition. */
function definition(protobuf, file) {
  const root = new protobuf.Root().loadSync(file, { keepCase: true }).resolveAll();
  const types = new Map();
  const methods = Object.entries(CALLS).flatMap(([service, names]) =>
    names.map((name) => {
      const method = root.lookupService(`${PACKAGE}.${service}`).methods[name];
      for (const type of [method.resolvedRequestType, method.resolvedResponseType]) collect(type, types);
      return { service, method };
    }),
  );
  const services = Object.keys(CALLS).map((service) => {
    const calls = methods
      .filter((each) => each.service === service)
      .map(({ method }) => callCode(service, method));
    return `${JSON.stringify(`${PACKAGE}.${service}`)}: {${calls.join(',')}}`;
  });
  return `
    'use strict';
    const { Reader, Writer, util } = require('protobufjs/minimal');
    const messages = {};
    ${[...types.values()].map((type) => messageCode(protobuf, type)).join('\n')}
    const writer = (type) => (value) => type.encode(type.fromObject(value)).finish();
    module.exports = (options) => {
      const reader = (type) => (bytes) => type.toObject(type.decode(bytes), options);
      return { ${services.join(',')} };
    };`;
}

/** Adds a message, or an enumeration, and all that it is made of. */
function collect(type, types) {
  if (types.has(type.fullName)) return;
  types.set(type.fullName, type);
  for (const { resolvedType } of type.fieldsArray ?? [])
    if (resolvedType !== null) collect(resolvedType, types);
}

function reference({ fullName }) {
  return `messages[${JSON.stringify(fullName)}]`;
}

/** protobufjs writes these functions as text; what it binds them to is `types`, the types of the fields in order. */
function messageCode(protobuf, type) {
  if (type.fieldsArray === undefined) {
    return `${reference(type)} = { values: ${JSON.stringify(type.valuesById)} };`;
  }
  const fields = type.fieldsArray.map(({ resolvedType }, index) =>
    resolvedType === null ? '' : `get ${index}() { return ${reference(resolvedType)}; },`,
  );
  const { encoder, decoder, converter } = protobuf;
  return `{
    const types = {${fields.join('')}};
    ${reference(type)} = {
      ctor: class {},
      encode: ${encoder(type).toString()},
      decode: ${decoder(type).toString()},
      fromObject: ${converter.fromObject(type).toString()},
      toObject: ${converter.toObject(type).toString()},
    };
  }`;
}

function callCode(service, method) {
  const { name, requestStream = false, responseStream = false } = method;
  const [request, response] = [method.resolvedRequestType, method.resolvedResponseType].map(reference);
  return `${name}: {
    path: ${JSON.stringify(`/${PACKAGE}.${service}/${name}`)},
    requestStream: ${requestStream},
    responseStream: ${responseStream},
    requestSerialize: writer(${request}),
    requestDeserialize: reader(${request}),
    responseSerialize: writer(${response}),
    responseDeserialize: reader(${response}),
    originalName: ${JSON.stringify(`${name[0].toLowerCase()}${name.slice(1)}`)},
  }`;
}
