// The page's side of src/page.rs: one WebSocket for each link, and what became of each record.
import { address } from "./options.js";
import { advice, failure } from "./errors.js";

/** Bytes that may wait in a WebSocket. More would only be memory: the bridge takes them one after the other. */
const HIGH_WATER = 1 << 20;
const ENDED = -1;
const REFUSED = -2;
const DENIED = -3;
/** What may be wrong with a link whose socket says nothing, in the order of `place_of` in src/producer.rs. */
const TROUBLES = [
  "no connection in time", "the connection was closed", "no answer in time", "what came is no answer of a Kafka broker",
  "the broker is older than Kafka 0.11",
];
/** Close codes of kurier's bridge after which trying again is of no use: unauthorized, forbidden. */
const FINAL = new Set([4401, 4403]);

class Link {
  constructor(socket, server) {
    this.socket = socket;
    this.server = server;
    this.isOpen = false;
    /** Nothing has come yet: a connection that a bridge then refuses was none. */
    this.isNew = true;
    /** 0, or the error that the core is told when all is read. */
    this.end = 0;
    this.chunks = [];
    this.at = 0;
  }
}

export class Page {
  /** `wake` is called when a link can make progress, `told` with news of a link. */
  constructor({ bridge, token, Socket }, wake, told) {
    // Without a token none: a proxy that knows no subprotocol would be refused by the browser.
    const protocols = token === undefined ? [] : ["kurier", `kurier.token.${token}`];
    this.options = { bridge, Socket, protocols };
    this.wake = wake;
    this.told = told;
    this.links = [];
    /** Links that the core has closed in this pass, though their sockets had not ended. */
    this.givenUp = [];
    /** A socket takes no more for now: browsers have no event for when it does again. */
    this.isBlocked = false;
    /** Records by the serial of their batch. */
    this.batches = new Map();
    this.acknowledged = 0;
    this.failures = 0;
    /** Why the last link ended, until one is up. */
    this.why = "";
    /** Why the bridge will have none of us, if it said so. */
    this.refusal = undefined;
  }

  /** Has a record's Promise settled with its batch. */
  expect(serial, index, entry) {
    let batch = this.batches.get(serial);
    if (batch === undefined) this.batches.set(serial, (batch = []));
    batch[index] = entry;
  }

  closeAll() {
    this.links.forEach((_, link) => this.close(link));
  }

  /** Ends a record that is not written. */
  reject(entry, error) {
    this.failures++;
    entry.reject(error);
  }

  /** Ends whatever has no outcome yet. */
  fail(error) {
    for (const batch of this.batches.values()) batch.forEach((entry) => this.reject(entry, error));
    this.batches.clear();
  }

  // What follows is called by the core; an answer below 0 is an error.

  open(link, host, port) {
    const known = this.links[link];
    if (known !== undefined) return known.end || Number(known.isOpen);
    const server = `${host}:${port}`;
    const { bridge, Socket, protocols } = this.options;
    let socket;
    try {
      socket = new Socket(address(bridge, host, port), protocols);
    } catch (error) {
      this.#ended(undefined, server, 0, String(error?.message ?? error));
      return REFUSED;
    }
    socket.binaryType = "arraybuffer";
    const own = new Link(socket, server);
    this.links[link] = own;
    socket.onopen = () => {
      own.isOpen = true;
      this.wake();
    };
    socket.onmessage = ({ data }) => {
      if (typeof data === "string") {
        this.#ended(own, server, 0, "the bridge has sent text");
        own.end = ENDED;
      } else {
        if (this.why !== "" || own.isNew) {
          own.isNew = false;
          this.why = "";
          this.told({ state: "connected", server });
        }
        own.chunks.push(new Uint8Array(data));
      }
      this.wake();
    };
    socket.onclose = ({ code, reason }) => {
      own.end = FINAL.has(code) ? DENIED : own.isOpen ? ENDED : REFUSED;
      this.#ended(own, server, code, reason);
      this.wake();
    };
    // Says nothing; the close that follows does.
    socket.onerror = () => {};
    return 0;
  }

  #ended(own, server, code, reason) {
    const what = reason || (own?.isOpen ? "the connection was closed" : "no connection");
    this.why = `${server}: ${what}${code > 1000 && code !== 1006 ? ` (${code})` : ""}`;
    this.told({ state: "disconnected", server, code, reason: what, isFinal: FINAL.has(code) });
  }

  room(link) {
    const own = this.links[link];
    if (own === undefined || own.end) return ENDED;
    // It is closing: the event that is due says why.
    if (own.socket.readyState !== 1) return 0;
    const room = HIGH_WATER - own.socket.bufferedAmount;
    if (room > 0) return room;
    this.isBlocked = true;
    return 0;
  }

  write(link, bytes) {
    try {
      // A copy: some sockets keep what they are given, and this is the core's memory.
      this.links[link]?.socket.send(bytes.slice());
    } catch {
      const own = this.links[link];
      if (own !== undefined) own.end = ENDED;
    }
  }

  drained(link) {
    const own = this.links[link];
    if (own === undefined || own.end) return ENDED;
    if (own.socket.bufferedAmount === 0) return 1;
    this.isBlocked = true;
    return 0;
  }

  read(link, into) {
    const own = this.links[link];
    if (own === undefined) return ENDED;
    let count = 0;
    while (count < into.length && own.chunks.length > 0) {
      const [chunk] = own.chunks;
      const part = chunk.subarray(own.at, own.at + into.length - count);
      into.set(part, count);
      count += part.length;
      own.at += part.length;
      if (own.at === chunk.length) {
        own.chunks.shift();
        own.at = 0;
      }
    }
    return count || own.end;
  }

  close(link) {
    const own = this.links[link];
    if (own === undefined) return;
    this.links[link] = undefined;
    if (!own.end) this.givenUp.push(own);
    // Nothing late of this stream may reach the next one.
    own.socket.onopen = own.socket.onmessage = own.socket.onclose = null;
    try {
      own.socket.close(1000);
    } catch {
      // A socket that is not open yet may not like to be closed; it is forgotten.
    }
  }

  trouble(kind, host, port) {
    const server = `${host}:${port}`;
    this.givenUp.forEach((own) => own.server === server && this.#ended(own, server, 0, TROUBLES[kind]));
  }

  written(serial, first, count, partition, offset, timestamp) {
    const batch = this.batches.get(serial);
    for (let n = 0; n < count; n++) {
      const entry = batch?.[first + n];
      if (entry === undefined) continue;
      this.acknowledged++;
      entry.resolve({
        topic: entry.topic,
        partition,
        offset: offset < 0 ? null : offset + n,
        timestamp: timestamp < 0 ? entry.timestamp : timestamp,
      });
    }
  }

  failed(serial, index, outcome, code, message) {
    const entry = this.batches.get(serial)?.[index];
    if (entry === undefined) return;
    if (code === "PRODUCER_ABORTED" && this.refusal !== undefined) {
      this.reject(entry, failure(this.refusal.code, this.refusal.message, outcome));
      return;
    }
    const detail = this.why && !/^[A-Z_]*(TOPIC|RECORD)/.test(code) ? ` (${this.why})` : "";
    this.reject(entry, failure(code, (advice(code, entry.topic) ?? message) + detail, outcome));
  }

  over(serial) {
    this.batches.delete(serial);
  }
}
