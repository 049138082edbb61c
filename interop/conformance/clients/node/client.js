// @grpc/grpc-js and @grpc/proto-loader, unmodified: node client.js CASES. The service is loaded from the descriptors that the
// server's own Python package publishes, so this client speaks each server's dialect as that server wrote it down.
'use strict';

const fs = require('fs');
const grpc = require('@grpc/grpc-js');
const loader = require('@grpc/proto-loader');
const { request } = require('./request');
const { answer, tell, finish } = require('./report');

// Longest wait for an answer, in milliseconds.
const TIMEOUT = 30000;
// The numbers that grpc-js has for them.
const COMPRESSION = { deflate: 1, gzip: 2 };

const spec = JSON.parse(fs.readFileSync(process.argv[2]));
const definitions = loader.loadFileDescriptorSetFromBuffer(fs.readFileSync(spec.descriptors), {
  keepCase: true, longs: String, enums: String, defaults: true, arrays: true, objects: true, oneofs: true,
});
const Service = grpc.loadPackageDefinition(definitions).inference.GRPCInferenceService;

function connect(compression) {
  const options = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
  if (compression) options['grpc.default_compression_algorithm'] = COMPRESSION[compression];
  return new Service(spec.address, grpc.credentials.createInsecure(), options);
}

const names = (metadata) => Object.keys(metadata.getMap()).filter((k) => k.startsWith('candor-')).sort();

function metadata() {
  const m = new grpc.Metadata();
  m.set('candor-trailers', 'prediction'); // of a successful answer, Candor's, for those who ask
  if (spec.token) m.set('authorization', `Bearer ${spec.token}`);
  return m;
}

// unary makes one call and tells how it ended, when its status is there.
function unary(client, method, message, keep) {
  return new Promise((resolve) => {
    let line = {};
    const call = client[method](message, metadata(), { deadline: Date.now() + TIMEOUT }, (error, response) => {
      line = error ? { code: grpc.status[error.code], message: error.details } : keep(response);
    });
    call.on('status', (status) => setImmediate(() => resolve({ ...line, trailers: names(status.metadata) })));
  });
}

// Frames of a stream: Triton's have an error beside the response, those of MLServer are the response.
function frame(f) {
  if (!('infer_response' in f)) return answer(f);
  return f.error_message ? { error: f.error_message } : answer(f.infer_response);
}

function stream(client, c) {
  return new Promise((resolve) => {
    if (!client.ModelStreamInfer) {
      resolve({ code: 'CLIENT', message: 'the server published no streams' });
      return;
    }
    const answers = [];
    const call = client.ModelStreamInfer(metadata(), { deadline: Date.now() + TIMEOUT });
    call.on('data', (f) => answers.push(frame(f)));
    call.on('error', () => {}); // the status says it
    call.on('status', (s) => resolve({ code: grpc.status[s.code], message: s.details, answers }));
    for (let i = 0; i < (c.requests || 1); i++) call.write(request(c, i));
    call.end();
  });
}

// What to keep of an answer that is no inference. Counts differ from one call to the next.
const KEEP = {
  ServerLive: (r) => r.live,
  ServerReady: (r) => r.ready,
  ModelReady: (r) => r.ready,
  ModelStatistics: (r) => r.model_stats.map((s) => ({ name: s.name, version: s.version, counts: s.inference_stats !== null })),
  RepositoryIndex: (r, c) => r.models.some((m) => m.name === c.model), // is the model listed?
};

async function run(c) {
  const client = connect(c.compression);
  try {
    if (c.call === 'infer') return await unary(client, 'ModelInfer', request(c), (r) => ({ answers: [answer(r)] }));
    if (c.call === 'stream') return await stream(client, c);
    const keep = KEEP[c.call] || ((r) => r);
    const named = c.call === 'RepositoryIndex' ? {} : { name: c.model, version: c.version };
    return await unary(client, c.call, named, (r) => ({ facts: keep(r, c) }));
  } catch (e) {
    return { code: 'CLIENT', message: String(e) };
  } finally {
    client.close();
  }
}

(async () => {
  for (const c of spec.cases) tell(c, await run(c));
  finish();
})();
