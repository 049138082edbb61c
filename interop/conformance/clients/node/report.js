// What a call came to, as a line for the Go test; see ../report.py, whose lines are the same.
'use strict';

const crypto = require('crypto');
const { pack } = require('./contents');

// The longest contents that are told in full; of others their digest.
const TOLD_IN_FULL = 256;

function told(data) {
  if (data.length <= TOLD_IN_FULL) return data.toString('hex');
  return `${data.length} bytes, sha256 ${crypto.createHash('sha256').update(data).digest('hex')}`;
}

// As Python prints them, so that lines of different clients look the same.
const spelled = (v) => (v === true ? 'True' : v === false ? 'False' : String(v));

// parameters are a list of entries; see request.js.
function parameters(of) {
  const out = {};
  for (const { key, value } of of || []) {
    const kind = value.parameter_choice;
    out[key] = kind ? `${kind} ${spelled(value[kind])}` : 'None ';
  }
  return out;
}

function answer(message) {
  const raws = message.raw_output_contents;
  return {
    model: message.model_name,
    version: message.model_version,
    id: message.id,
    parameters: parameters(message.parameters),
    outputs: message.outputs.map((o, i) => ({
      name: o.name,
      datatype: o.datatype,
      shape: o.shape.map(Number),
      form: raws.length ? 'raw' : 'typed',
      data: told(i < raws.length ? raws[i] : pack(o.datatype, o.contents)),
      parameters: parameters(o.parameters),
    })),
  };
}

let done = 0;

function tell(c, line) {
  done++;
  const blank = { code: 'OK', message: '', answers: [], facts: null, trailers: [] };
  process.stdout.write(JSON.stringify({ check: c.name, ...blank, ...line }) + '\n');
}

function finish() {
  process.stdout.write(JSON.stringify({ done }) + '\n');
}

module.exports = { answer, tell, finish };
