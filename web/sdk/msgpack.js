// MessagePack, as much of it as the protocol uses: nil, booleans, numbers, strings, binary,
// arrays and maps (https://github.com/msgpack/msgpack/blob/master/spec.md).
//
// Maps become objects without a prototype, so a key such as "__proto__" is only a key; whole-number
// keys become strings. 64-bit numbers become Numbers, exact up to 2^53.

const DEPTH_MAX = 64;
const textEncoder = new TextEncoder();
const textDecoder = new TextDecoder("utf-8", { fatal: true });

class Writer {
  constructor() {
    this.bytes = new Uint8Array(256);
    this.view = new DataView(this.bytes.buffer);
    this.length = 0;
  }

  reserve(count) {
    const at = this.length;
    this.length += count;
    if (this.length > this.bytes.length) {
      const grown = new Uint8Array(Math.max(this.length, this.bytes.length * 2));
      grown.set(this.bytes);
      this.bytes = grown;
      this.view = new DataView(grown.buffer);
    }
    return at;
  }

  u8(value) { const at = this.reserve(1); this.bytes[at] = value; }
  tagged(tag, size, write) { this.u8(tag); const at = this.reserve(size); write(at); }

  // A length behind the smallest of its tags that holds it: fix (up to `fixMax`), 8, 16, 32 bits.
  header(length, fix, fixMax, tag8, tag16, tag32) {
    if (length <= fixMax) this.u8(fix | length);
    else if (tag8 && length < 0x100) this.tagged(tag8, 1, (at) => this.view.setUint8(at, length));
    else if (length < 0x10000) this.tagged(tag16, 2, (at) => this.view.setUint16(at, length));
    else this.tagged(tag32, 4, (at) => this.view.setUint32(at, length));
  }

  integer(value) {
    if (value >= 0) {
      if (value < 0x80) this.u8(value);
      else if (value < 0x100) this.tagged(0xcc, 1, (at) => this.view.setUint8(at, value));
      else if (value < 0x10000) this.tagged(0xcd, 2, (at) => this.view.setUint16(at, value));
      else if (value < 2 ** 32) this.tagged(0xce, 4, (at) => this.view.setUint32(at, value));
      else this.tagged(0xcf, 8, (at) => this.view.setBigUint64(at, BigInt(value)));
    } else if (value >= -0x20) this.u8(value & 0xff);
    else if (value >= -0x80) this.tagged(0xd0, 1, (at) => this.view.setInt8(at, value));
    else if (value >= -0x8000) this.tagged(0xd1, 2, (at) => this.view.setInt16(at, value));
    else if (value >= -(2 ** 31)) this.tagged(0xd2, 4, (at) => this.view.setInt32(at, value));
    else this.tagged(0xd3, 8, (at) => this.view.setBigInt64(at, BigInt(value)));
  }

  raw(bytes) { const at = this.reserve(bytes.length); this.bytes.set(bytes, at); }

  value(value, depth) {
    if (depth > DEPTH_MAX) throw new RangeError("msgpack: nested too deep");
    if (value === null || value === undefined) this.u8(0xc0);
    else if (value === false) this.u8(0xc2);
    else if (value === true) this.u8(0xc3);
    else if (typeof value === "number") {
      if (Number.isSafeInteger(value) && !Object.is(value, -0)) this.integer(value);
      else this.tagged(0xcb, 8, (at) => this.view.setFloat64(at, value));
    } else if (typeof value === "string") {
      const bytes = textEncoder.encode(value);
      this.header(bytes.length, 0xa0, 31, 0xd9, 0xda, 0xdb);
      this.raw(bytes);
    } else if (value instanceof Uint8Array) {
      this.header(value.length, 0, -1, 0xc4, 0xc5, 0xc6);
      this.raw(value);
    } else if (Array.isArray(value)) {
      this.header(value.length, 0x90, 15, 0, 0xdc, 0xdd);
      for (const item of value) this.value(item, depth + 1);
    } else if (typeof value === "object") {
      const entries = Object.entries(value);
      this.header(entries.length, 0x80, 15, 0, 0xde, 0xdf);
      for (const [key, item] of entries) {
        this.value(key, depth + 1);
        this.value(item, depth + 1);
      }
    } else throw new TypeError(`msgpack: cannot encode a ${typeof value}`);
  }
}

class Reader {
  constructor(bytes) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = 0;
  }

  take(count) {
    const at = this.at;
    if (at + count > this.bytes.length) throw new RangeError("msgpack: the message is cut off");
    this.at += count;
    return at;
  }

  slice(length) { const at = this.take(length); return this.bytes.subarray(at, at + length); }
  text(length) { return textDecoder.decode(this.slice(length)); }

  list(length, depth) {
    if (length > this.bytes.length) throw new RangeError("msgpack: the message is cut off");
    const items = new Array(length);
    for (let i = 0; i < length; i++) items[i] = this.value(depth + 1);
    return items;
  }

  map(length, depth) {
    const found = Object.create(null);
    for (let i = 0; i < length; i++) {
      const key = this.value(depth + 1);
      found[key] = this.value(depth + 1);
    }
    return found;
  }

  value(depth = 0) {
    if (depth > DEPTH_MAX) throw new RangeError("msgpack: nested too deep");
    const tag = this.bytes[this.take(1)];
    if (tag < 0x80) return tag;
    if (tag < 0x90) return this.map(tag & 0x0f, depth);
    if (tag < 0xa0) return this.list(tag & 0x0f, depth);
    if (tag < 0xc0) return this.text(tag & 0x1f);
    if (tag >= 0xe0) return tag - 0x100;
    const view = this.view;
    switch (tag) {
      case 0xc0: return null;
      case 0xc2: return false;
      case 0xc3: return true;
      case 0xc4: return this.slice(view.getUint8(this.take(1)));
      case 0xc5: return this.slice(view.getUint16(this.take(2)));
      case 0xc6: return this.slice(view.getUint32(this.take(4)));
      case 0xca: return view.getFloat32(this.take(4));
      case 0xcb: return view.getFloat64(this.take(8));
      case 0xcc: return view.getUint8(this.take(1));
      case 0xcd: return view.getUint16(this.take(2));
      case 0xce: return view.getUint32(this.take(4));
      case 0xcf: return Number(view.getBigUint64(this.take(8)));
      case 0xd0: return view.getInt8(this.take(1));
      case 0xd1: return view.getInt16(this.take(2));
      case 0xd2: return view.getInt32(this.take(4));
      case 0xd3: return Number(view.getBigInt64(this.take(8)));
      case 0xd9: return this.text(view.getUint8(this.take(1)));
      case 0xda: return this.text(view.getUint16(this.take(2)));
      case 0xdb: return this.text(view.getUint32(this.take(4)));
      case 0xdc: return this.list(view.getUint16(this.take(2)), depth);
      case 0xdd: return this.list(view.getUint32(this.take(4)), depth);
      case 0xde: return this.map(view.getUint16(this.take(2)), depth);
      case 0xdf: return this.map(view.getUint32(this.take(4)), depth);
      default: throw new TypeError(`msgpack: type 0x${tag.toString(16)} is not used here`);
    }
  }
}

/** The bytes of `value`. */
export function encode(value) {
  const writer = new Writer();
  writer.value(value, 0);
  return writer.bytes.slice(0, writer.length);
}

/** The value of `bytes` (a Uint8Array or ArrayBuffer); throws where they are not exactly one. */
export function decode(bytes) {
  const reader = new Reader(bytes instanceof Uint8Array ? bytes : new Uint8Array(bytes));
  const value = reader.value();
  if (reader.at !== reader.bytes.length) throw new RangeError("msgpack: bytes are left over");
  return value;
}
