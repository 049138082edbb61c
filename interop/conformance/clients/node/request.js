// A case of the Go test (see cases_test.go) as a ModelInferRequest.
'use strict';

const { unpack } = require('./contents');

function bytes(tensor) {
  const once = Buffer.from(tensor.hex, 'hex');
  return Buffer.concat(Array(tensor.times || 1).fill(once));
}

function parameter(value) {
  if (typeof value === 'boolean') return { bool_param: value };
  if (typeof value === 'string') return { string_param: value };
  return Number.isInteger(value) ? { int64_param: value } : { double_param: value };
}

// number tells the requests of one stream apart.
function request(c, number) {
  const raws = [];
  const inputs = (c.inputs || []).map((t) => {
    const form = t.form || c.form;
    const given = { name: t.name, datatype: t.datatype, shape: t.shape };
    if (form === 'raw' || form === 'both') raws.push(bytes(t));
    if (form === 'typed' || form === 'both') given.contents = unpack(t.datatype, bytes(t));
    return given;
  });
  return {
    model_name: c.model,
    model_version: c.version || '',
    id: (c.id || '') + (number === undefined ? '' : `-${number}`),
    // Descriptors make proto-loader see a map as the list of entries that it is on the wire.
    parameters: Object.entries(c.parameters || {}).map(([key, v]) => ({ key, value: parameter(v) })),
    inputs,
    outputs: (c.outputs || []).map((name) => ({ name })),
    raw_input_contents: raws.concat((c.extra_raw || []).map((h) => Buffer.from(h, 'hex'))),
  };
}

module.exports = { request };
