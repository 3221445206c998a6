// A Kafka producer for pages, workers and Node: the core in WebAssembly, driven by socket events and one timer.
import { KurierError, failure, misuse, thrown } from "./errors.js";
import { check, invalid } from "./options.js";
import { Page } from "./page.js";
import { record } from "./record.js";
import init, { Core } from "../generated/kurier_wasm.js";

export { KurierError };

/** Passes without a pause: then others have their turn. */
const PASSES = 16;
/** How soon to look at a socket again that took no more, in ms. */
const BLOCKED_MS = 10;
/** A timer of more ms goes off at once. */
const LONGEST_MS = 0x7fffffff;
const NOT_READY = -1;
const METRICS = [
  "records", "batches", "requests", "bytes", "retries", "errors", "connectionsOpened", "connectionsClosed",
  "metadataUpdates", "requestsInFlight",
];

let module;

/** Loads the module, once for all producers. */
function load(wasm) {
  module ??= loaded(wasm).catch((error) => {
    module = undefined;
    throw new KurierError("WASM_NOT_LOADED", `the WebAssembly module cannot be loaded: ${error?.message ?? error}`, {
      retriable: true,
    });
  });
  return module;
}

async function loaded(wasm) {
  const source = wasm ?? new URL("../generated/kurier_wasm_bg.wasm", import.meta.url);
  if (source instanceof URL && source.protocol === "file:" && globalThis.process?.versions?.node) {
    // Node's fetch knows no files. Not a plain string, or bundlers for pages look for the module.
    const name = ["node", "fs/promises"].join(":");
    const { readFile } = await import(/* @vite-ignore */ /* webpackIgnore: true */ name);
    return init({ module_or_path: await readFile(source) });
  }
  return init({ module_or_path: source });
}

class StateEvent extends Event {
  constructor(detail) {
    super("state");
    this.detail = detail;
  }
}

export class KafkaProducer extends EventTarget {
  #core;
  #page;
  #maxBlockMs;
  #maxRequestSize;
  #topics = new Map();
  /** Records that wait for metadata or memory, by topic, in order. */
  #waiting = new Map();
  #flushes = [];
  #timer;
  #isQueued = false;
  #isClosing = false;
  /** The page refuses us for good. */
  #refusal;
  #closed;
  #acknowledged = 0;
  #failed = 0;
  #hide = () => this.#hidden();

  /** Loads the module and checks the options. Connections are opened when they are first needed. */
  static async connect(options) {
    const checked = check(options);
    await load(checked.wasm);
    return new KafkaProducer(checked);
  }

  constructor(checked) {
    super();
    if (!(checked?.numbers instanceof Float64Array)) throw misuse("use `await KafkaProducer.connect(options)`");
    this.#maxBlockMs = checked.maxBlockMs;
    this.#maxRequestSize = checked.maxRequestSize;
    this.#page = new Page(checked, () => this.#schedule(), (news) => this.#news(news));
    try {
      this.#core = new Core(this.#page, checked.servers, checked.clientId, checked.numbers);
    } catch (error) {
      throw thrown(error);
    }
    globalThis.document?.addEventListener("visibilitychange", this.#hide);
    globalThis.addEventListener?.("pagehide", this.#hide);
  }

  /** Sends one record. Resolves when the broker has acknowledged it. */
  send(topic, value, options = {}) {
    const promise = new Promise((resolve, reject) => this.#accept(topic, value, options, resolve, reject));
    // Whoever does not look at it has the event `state` and the counters: a page's console stays quiet.
    promise.catch(() => {});
    return promise;
  }

  #accept(topic, value, options, resolve, reject) {
    const entry = {
      topic,
      resolve: (metadata) => {
        this.#acknowledged++;
        resolve(metadata);
      },
      reject: (error) => {
        this.#failed++;
        reject(error);
      },
    };
    try {
      if (this.#isClosing) throw this.#refusal ?? failure("PRODUCER_CLOSED", "the producer is closed");
      Object.assign(entry, record(value, options, this.#maxRequestSize));
      entry.handle = this.#handle(topic);
      const line = this.#waiting.get(entry.handle);
      // Behind those that wait, so that the order stays.
      if (line !== undefined || !this.#append(entry)) {
        entry.deadline = performance.now() + this.#maxBlockMs;
        // What is the caller's may be something else by then.
        entry.value = entry.value?.slice();
        entry.key = entry.key?.slice();
        if (line !== undefined) line.push(entry);
        else this.#waiting.set(entry.handle, [entry]);
      }
      this.#schedule();
    } catch (error) {
      entry.reject(error instanceof KurierError ? error : thrown(error));
    }
  }

  #handle(topic) {
    let handle = this.#topics.get(topic);
    if (handle === undefined) {
      if (typeof topic !== "string") throw misuse("topic must be a string");
      if (topic.length > 249) throw failure("INVALID_TOPIC_EXCEPTION", "a topic's name has at most 249 characters");
      try {
        handle = this.#core.topic(topic, performance.now());
      } catch (error) {
        throw failure("INVALID_TOPIC_EXCEPTION", String(error?.message ?? error));
      }
      this.#topics.set(topic, handle);
    }
    return handle;
  }

  /** Hands a record to the core. False: it must wait. */
  #append(entry) {
    const { handle, value, key, headers, partition, timestamp } = entry;
    const serial = this.#core.send(handle, value, key, headers, partition, timestamp, performance.now());
    if (serial < 0) {
      entry.isForMetadata = serial === NOT_READY;
      return false;
    }
    this.#page.expect(serial, this.#core.index, entry);
    return true;
  }

  /** Tries again what waits; gives up what has waited too long. Answers in how many ms the next one has. */
  #retry(now) {
    let soonest = Infinity;
    for (const [handle, line] of this.#waiting) {
      let taken = 0;
      for (const entry of line) {
        try {
          if (!this.#append(entry)) {
            if (entry.deadline > now) break;
            const trouble = this.#page.why && ` (${this.#page.why})`;
            throw entry.isForMetadata
              ? failure("NO_METADATA", `nothing is known of topic ${entry.topic} after ${this.#maxBlockMs} ms${trouble}`)
              : failure("BUFFER_EXHAUSTED", `bufferMemory was full for ${this.#maxBlockMs} ms${trouble}`);
          }
        } catch (error) {
          entry.reject(error instanceof KurierError ? error : thrown(error));
        }
        entry.left?.forEach((resolve) => resolve());
        taken++;
      }
      if (taken === line.length) this.#waiting.delete(handle);
      else {
        line.splice(0, taken);
        soonest = Math.min(soonest, line[0].deadline - now);
      }
    }
    return soonest;
  }

  #schedule() {
    if (this.#isQueued || this.#core === undefined) return;
    this.#isQueued = true;
    queueMicrotask(() => {
      this.#isQueued = false;
      this.#poll();
    });
  }

  #poll() {
    if (this.#core === undefined) return;
    try {
      this.#pass();
    } catch (error) {
      this.#broken(error);
    }
  }

  /** A WebSocket of somebody's own has thrown amid the core, or the module has failed: it is not to be called again. */
  #broken(error) {
    const failed = (outcome) => failure("PRODUCER_FAILED", `the producer has failed, make another one: ${error?.message ?? error}`, outcome);
    this.#core = undefined;
    this.#abort((this.#refusal = failed()));
    this.#page.fail(failed("maybe-written"));
    this.#gone();
  }

  /** What is left when there is no core. */
  #gone() {
    globalThis.document?.removeEventListener("visibilitychange", this.#hide);
    globalThis.removeEventListener?.("pagehide", this.#hide);
    clearTimeout(this.#timer);
    this.#page.closeAll();
    this.#flushes.splice(0).forEach(({ resolve }) => resolve());
  }

  #pass() {
    let wait = 0;
    for (let pass = 0; pass < PASSES && wait === 0; pass++) {
      const now = performance.now();
      const soonest = this.#waiting.size > 0 ? this.#retry(now) : Infinity;
      this.#page.isBlocked = false;
      this.#page.givenUp = [];
      wait = this.#core.poll(now);
      if (wait < 0) wait = Infinity;
      wait = Math.min(wait, Math.max(1, soonest), this.#page.isBlocked ? BLOCKED_MS : Infinity);
    }
    clearTimeout(this.#timer);
    this.#timer = wait === Infinity ? undefined : setTimeout(() => this.#poll(), Math.min(wait, LONGEST_MS));
    if (this.#flushes.length > 0) {
      this.#flushes = this.#flushes.filter(({ mark, resolve }) => {
        const over = this.#core.is_flushed(mark);
        if (over) resolve();
        return !over;
      });
    }
  }

  #marked(mark) {
    const over = new Promise((resolve) => this.#flushes.push({ mark, resolve }));
    this.#schedule();
    return over;
  }

  /** Resolves when what waits now has been handed to the core, or has failed. */
  #handed() {
    return Promise.all([...this.#waiting.values()].map((line) => new Promise((resolve) => (line.at(-1).left ??= []).push(resolve))));
  }

  /** Resolves when everything sent so far has its outcome. */
  async flush() {
    if (this.#core === undefined) return;
    const first = this.#marked(this.#core.flush());
    if (this.#waiting.size > 0) {
      await this.#handed();
      // Only now is it known which batches they are in.
      if (this.#core !== undefined) await this.#marked(this.#core.flush());
    }
    await first;
  }

  /** Takes no further records, waits for those that are under way, and closes the connections. */
  async close({ timeoutMs = 30_000 } = {}) {
    if (typeof timeoutMs !== "number" || !(timeoutMs >= 0)) throw invalid("`timeoutMs` must be a number of ms");
    this.#closed ??= this.#end(timeoutMs);
    return this.#closed;
  }

  async #end(timeoutMs) {
    this.#isClosing = true;
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, Math.min(timeoutMs, LONGEST_MS))));
    await Promise.race([this.flush(), late]);
    clearTimeout(timer);
    this.#quit(failure("PRODUCER_CLOSED", "the producer was closed before the record could be sent"));
  }

  /** Ends every record, every connection and the core. */
  #quit(error) {
    this.#abort(error);
    const core = this.#core;
    this.#core = undefined;
    core?.free();
    this.#gone();
  }

  /** Ends every record that has no outcome yet. */
  #abort(error) {
    this.#isClosing = true;
    for (const line of this.#waiting.values()) line.forEach((entry) => (entry.reject(error), entry.left?.forEach((resolve) => resolve())));
    this.#waiting.clear();
    if (this.#core === undefined) return;
    this.#core.abort();
    this.#poll();
  }

  #news(news) {
    const { isFinal, ...detail } = news;
    if (isFinal && this.#refusal === undefined) {
      this.#page.refusal = this.#refusal = failure(news.code === 4401 ? "BRIDGE_UNAUTHORIZED" : "BRIDGE_FORBIDDEN", news.reason);
      // Not now: the core may be amid a pass.
      queueMicrotask(() => this.#quit(this.#refusal));
    }
    queueMicrotask(() => this.dispatchEvent(new StateEvent(detail)));
  }

  /** A page that is hidden may not come back: what lingers goes at once. */
  #hidden() {
    if (this.#core === undefined || globalThis.document?.visibilityState === "visible") return;
    void this.flush();
    this.#poll();
  }

  /** Counters since the start. */
  metrics() {
    const numbers = this.#core?.metrics() ?? [];
    const waiting = [...this.#waiting.values()].reduce((sum, line) => sum + line.length, 0);
    return {
      ...Object.fromEntries(METRICS.map((name, at) => [name, numbers[at] ?? 0])),
      acknowledged: this.#acknowledged,
      failed: this.#failed,
      waiting,
    };
  }
}
