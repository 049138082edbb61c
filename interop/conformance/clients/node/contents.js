// Elements of a tensor, between raw bytes as the protocol has them and typed contents.
'use strict';

// Field of typed contents, size of a raw element, how a Buffer reads and writes it. FP16 and BF16 have no typed form.
const FORMATS = {
  BOOL: ['bool_contents', 1, (b, i) => b.readUInt8(i) !== 0, (b, v, i) => b.writeUInt8(v ? 1 : 0, i)],
  UINT8: ['uint_contents', 1, (b, i) => b.readUInt8(i), (b, v, i) => b.writeUInt8(v, i)],
  UINT16: ['uint_contents', 2, (b, i) => b.readUInt16LE(i), (b, v, i) => b.writeUInt16LE(v, i)],
  UINT32: ['uint_contents', 4, (b, i) => b.readUInt32LE(i), (b, v, i) => b.writeUInt32LE(v, i)],
  UINT64: ['uint64_contents', 8, (b, i) => b.readBigUInt64LE(i).toString(), (b, v, i) => b.writeBigUInt64LE(BigInt(v), i)],
  INT8: ['int_contents', 1, (b, i) => b.readInt8(i), (b, v, i) => b.writeInt8(v, i)],
  INT16: ['int_contents', 2, (b, i) => b.readInt16LE(i), (b, v, i) => b.writeInt16LE(v, i)],
  INT32: ['int_contents', 4, (b, i) => b.readInt32LE(i), (b, v, i) => b.writeInt32LE(v, i)],
  INT64: ['int64_contents', 8, (b, i) => b.readBigInt64LE(i).toString(), (b, v, i) => b.writeBigInt64LE(BigInt(v), i)],
  FP32: ['fp32_contents', 4, (b, i) => b.readFloatLE(i), (b, v, i) => b.writeFloatLE(v, i)],
  FP64: ['fp64_contents', 8, (b, i) => b.readDoubleLE(i), (b, v, i) => b.writeDoubleLE(v, i)],
};

// BYTES: each element stands behind its length, 4 bytes, the least significant first.
function split(raw) {
  const out = [];
  for (let at = 0; at < raw.length;) {
    const n = raw.readUInt32LE(at);
    out.push(raw.subarray(at + 4, at + 4 + n));
    at += 4 + n;
  }
  return out;
}

function join(elements) {
  return Buffer.concat(elements.flatMap((e) => {
    const length = Buffer.alloc(4);
    length.writeUInt32LE(e.length);
    return [length, e];
  }));
}

// unpack answers an InferTensorContents.
function unpack(datatype, raw) {
  if (datatype === 'BYTES') return { bytes_contents: split(raw) };
  const [field, size, read] = FORMATS[datatype];
  const elements = [];
  for (let i = 0; i + size <= raw.length; i += size) elements.push(read(raw, i));
  return { [field]: elements };
}

function pack(datatype, contents) {
  if (!contents) return Buffer.alloc(0);
  if (datatype === 'BYTES') return join(contents.bytes_contents);
  if (!(datatype in FORMATS)) return Buffer.alloc(0);
  const [field, size, , write] = FORMATS[datatype];
  const raw = Buffer.alloc(size * contents[field].length);
  contents[field].forEach((v, i) => write(raw, v, i * size));
  return raw;
}

module.exports = { unpack, pack };
