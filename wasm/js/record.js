// A record as JavaScript gives it, made into bytes. What cannot be sent as it is, is refused and never changed.
import { failure, misuse } from "./errors.js";

const encoder = new TextEncoder();
const NONE = new Uint8Array(0);
// A half of a character that UTF-16 writes in two: TextEncoder would put another character in its place.
export const LONE = /[\uD800-\uDBFF](?![\uDC00-\uDFFF])|(?<![\uD800-\uDBFF])[\uDC00-\uDFFF]/;

/** Told before anything is copied: a module's memory that has grown never shrinks. */
function fits(length, what, max) {
  if (length <= max) return;
  throw failure("RECORD_TOO_LARGE", `${what} has ${Math.floor(length)} bytes or more, \`maxRequestSize\` is ${max}`);
}

function text(value, what, max) {
  fits(value.length, what, max);
  if (LONE.test(value)) throw misuse(`${what} has a lone surrogate, which UTF-8 cannot say`);
  return encoder.encode(value);
}

/** Bytes of a string, buffer or view; null is Kafka's null. */
export function bytes(value, what, max) {
  if (value === null || value === undefined) return undefined;
  if (typeof value === "string") return text(value, what, max);
  const isView = ArrayBuffer.isView(value);
  if (isView || value instanceof ArrayBuffer || Object.prototype.toString.call(value) === "[object ArrayBuffer]") {
    try {
      const buffer = isView ? value.buffer : value;
      // Throws where the buffer was transferred away; a view of it would only look empty.
      const all = new Uint8Array(buffer);
      // Throws where the buffer has shrunk since; a `DataView` does so by itself.
      if (isView && "BYTES_PER_ELEMENT" in value) NONE.keys.call(value);
      return isView ? new Uint8Array(buffer, value.byteOffset, value.byteLength) : all;
    } catch {
      throw misuse(`${what} is a buffer that was transferred away, or lies beyond the end of one`);
    }
  }
  throw misuse(`${what} must be a string, Uint8Array, ArrayBuffer or null, not ${typeof value}`);
}

/** Headers in the form that src/producer.rs reads. */
export function headersOf(headers, max) {
  if (headers === null || headers === undefined) return NONE;
  if (typeof headers !== "object") throw misuse("headers must be an object, or a list of [name, value]");
  // A `Map` has no entries that `Object` sees.
  const pairs = Symbol.iterator in headers ? headers : Object.entries(headers);
  const parts = [];
  let size = 0;
  for (const pair of pairs) {
    if (!Array.isArray(pair) || pair.length !== 2 || typeof pair[0] !== "string") {
      throw misuse("a header must be [name, value], with a string for its name");
    }
    for (const part of [text(pair[0], "a header's name", max), bytes(pair[1], `header \`${pair[0]}\``, max)]) {
      parts.push(part);
      size += 4 + (part?.length ?? 0);
    }
    // Of four bytes for each length here, one is sent at least.
    fits(size / 4, "the headers", max);
  }
  if (parts.length === 0) return NONE;
  const out = new Uint8Array(size);
  const view = new DataView(out.buffer);
  let at = 0;
  for (const part of parts) {
    view.setInt32(at, part === undefined ? -1 : part.length, true);
    at += 4;
    if (part !== undefined) {
      out.set(part, at);
      at += part.length;
    }
  }
  return out;
}

const OPTIONS = ["key", "partition", "headers", "timestamp"];

/** All of a record but its topic. */
export function record(value, options, max) {
  if (value === undefined) throw misuse("a record needs a value; null is a tombstone");
  if (typeof options !== "object" || options === null) throw misuse("the record's options must be an object");
  const wrong = Object.keys(options).find((name) => !OPTIONS.includes(name));
  if (wrong !== undefined) throw misuse(`unknown option \`${wrong}\` of a record; there are ${OPTIONS.join(", ")}`);
  const { key, partition = -1, headers, timestamp = Date.now() } = options;
  if (!Number.isInteger(partition) || partition > 0x7fffffff || (partition < 0 && options.partition !== undefined)) {
    throw misuse(`partition must be an integer from 0, not ${String(partition)}`);
  }
  const time = timestamp instanceof Date ? timestamp.getTime() : timestamp;
  if (!Number.isSafeInteger(time) || time < 0) throw misuse("timestamp must be a Date or milliseconds since 1970");
  const made = { value: bytes(value, "value", max), key: bytes(key, "key", max), headers: headersOf(headers, max) };
  fits((made.value?.length ?? 0) + (made.key?.length ?? 0) + made.headers.length / 4, "the record", max);
  return { ...made, partition, timestamp: time };
}
