// A Kafka producer for pages, workers and Node: the core in WebAssembly, driven by socket events and one timer.
import { KurierError, advice, failure, misuse, thrown } from "./errors.js";
import { check, invalid, only, refused } from "./options.js";
import { Page } from "./page.js";
import { record } from "./record.js";
import { NO_PARTITION, Waiting } from "./waiting.js";
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

/** Whether the module has failed, by a panic or without memory: it is not to be called again. */
const isTrap = (error) => error instanceof WebAssembly.RuntimeError;

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
  #waiting;
  /** Counters of the last pass: a core that has failed does not tell them any more. */
  #counters = [];
  #flushes = [];
  #timer;
  #isQueued = false;
  #isClosing = false;
  /** The page refuses us for good. */
  #refusal;
  #closed;
  #hide = ({ type }) => this.#hidden(type);

  /** Loads the module and checks the options. Connections are opened when they are first needed. */
  static async connect(options) {
    const checked = check(options);
    await load(checked.wasm);
    return new KafkaProducer(checked);
  }

  constructor(checked) {
    super();
    if (!(checked?.numbers instanceof Float64Array)) throw invalid("use `await KafkaProducer.connect(options)`");
    this.#maxBlockMs = checked.maxBlockMs;
    this.#maxRequestSize = checked.maxRequestSize;
    this.#waiting = new Waiting(checked.bufferMemory);
    this.#page = new Page(checked, () => this.#schedule(), (news) => this.#news(news));
    try {
      this.#core = new Core(this.#page, checked.servers, checked.clientId, checked.numbers);
    } catch (error) {
      throw refused(error);
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
    const entry = { topic, resolve, reject };
    try {
      if (this.#isClosing) throw this.#refusal ?? failure("PRODUCER_CLOSED", "the producer is closed");
      Object.assign(entry, record(value, options, this.#maxRequestSize));
      entry.handle = this.#handle(topic);
      // Behind those that wait, so that the order stays.
      const line = this.#waiting.behind(entry);
      const what = line === undefined ? this.#append(entry) : NOT_READY;
      if (what < 0) this.#hold(entry, what, line, value, options.key);
      this.#schedule();
    } catch (error) {
      if (isTrap(error)) this.#broken(error);
      this.#reject(entry, isTrap(error) ? this.#refusal : error);
    }
  }

  /** Has a record wait, behind others in their line if there is one. */
  #hold(entry, what, line, value, key) {
    this.#waiting.measure(entry, this.#trouble);
    entry.deadline = performance.now() + this.#maxBlockMs;
    entry.updates = this.#core.updates;
    // What is the caller's may be something else by then.
    if (typeof value !== "string") entry.value = entry.value?.slice();
    if (typeof key !== "string") entry.key = entry.key?.slice();
    this.#waiting.hold(entry, what, line);
  }

  /** Why the last link ended, behind a sentence. */
  get #trouble() {
    return this.#page.why && ` (${this.#page.why})`;
  }

  /** Resolves when there is room for more records: at once, unless many wait for metadata or memory. */
  async ready() {
    if (!this.#waiting.hasRoom && this.#core !== undefined) await this.#waiting.room();
  }

  #handle(topic) {
    let handle = this.#topics.get(topic);
    if (handle === undefined) {
      if (typeof topic !== "string") throw misuse("topic must be a string");
      if (topic.length > 249) throw failure("INVALID_TOPIC_EXCEPTION", "a topic's name has at most 249 characters");
      try {
        handle = this.#core.topic(topic, performance.now());
      } catch (error) {
        if (isTrap(error)) throw error;
        throw failure("INVALID_TOPIC_EXCEPTION", String(error?.message ?? error));
      }
      this.#topics.set(topic, handle);
    }
    return handle;
  }

  /** Hands a record to the core. Below 0: it must wait, and for what. */
  #append(entry) {
    const { handle, value, key, headers, partition, timestamp } = entry;
    const serial = this.#core.send(handle, value, key, headers, partition, timestamp, performance.now());
    if (serial >= 0) this.#page.expect(serial, this.#core.index, entry);
    return serial;
  }

  /** Why a record has waited in vain. */
  #vain({ topic, handle, partition, updates }, what) {
    if (what === NO_PARTITION) {
      return failure("INVALID_PARTITION", `topic ${topic} has no partition ${partition}: it has 0 to ${this.#core.partitions(handle) - 1}`);
    }
    const waited = `${this.#maxBlockMs} ms${this.#trouble}`;
    if (what !== NOT_READY) return failure("BUFFER_EXHAUSTED", `\`bufferMemory\` was full for ${waited}`);
    // One answer may be to a question from before.
    const code = this.#core.updates > updates + 1 && this.#core.partitions(handle) === 0 ? "UNKNOWN_TOPIC_OR_PARTITION" : "NO_METADATA";
    return failure(code, advice(code, topic) ?? `nothing is known of topic ${topic} after ${waited}`);
  }

  /** Ends a record that was not handed over. When the module has failed it is not its own end. */
  #reject(entry, error) {
    if (isTrap(error)) throw error;
    this.#page.reject(entry, error instanceof KurierError ? error : thrown(error, entry.topic));
  }

  /** Tries again what waits; gives up what has waited too long. Answers in how many ms the next one has. */
  #retry(now) {
    return this.#waiting.retry(
      now, this.#core.updates, (entry) => this.#append(entry),
      (entry, what) => this.#vain(entry, what), (entry, error) => this.#reject(entry, error),
    );
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

  /** Calls the core. Nothing, if there is none, or if the module fails at that, which ends all there is. */
  #call(method) {
    try {
      return this.#core?.[method]();
    } catch (error) {
      if (!isTrap(error)) throw error;
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
      const soonest = this.#waiting.count > 0 ? this.#retry(now) : Infinity;
      this.#page.isBlocked = false;
      this.#page.givenUp = [];
      wait = this.#core.poll(now);
      if (wait < 0) wait = Infinity;
      wait = Math.min(wait, Math.max(1, soonest), this.#page.isBlocked ? BLOCKED_MS : Infinity);
    }
    this.#counters = this.#core.metrics();
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

  /** Resolves when everything sent so far has its outcome. */
  async flush() {
    const mark = this.#call("flush");
    if (mark === undefined) return;
    const first = this.#marked(mark);
    if (this.#waiting.count > 0) {
      await this.#waiting.handed();
      // Only now is it known which batches they are in.
      const last = this.#call("flush");
      if (last !== undefined) await this.#marked(last);
    }
    await first;
  }

  /** Takes no further records, waits for those that are under way, and closes the connections. */
  async close(options = {}) {
    if (typeof options !== "object" || options === null) throw invalid("the options of `close` must be an object");
    only(["timeoutMs"], options);
    const { timeoutMs = 30_000 } = options;
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
    this.#counters = this.#call("metrics") ?? this.#counters;
    const core = this.#core;
    this.#core = undefined;
    core?.free();
    this.#gone();
  }

  /** Ends every record that has no outcome yet. */
  #abort(error) {
    this.#isClosing = true;
    this.#waiting.clear((entry) => this.#page.reject(entry, error));
    this.#call("abort");
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
  #hidden(type) {
    // At `pagehide` it is still called visible.
    if (this.#core === undefined || (type !== "pagehide" && document.visibilityState === "visible")) return;
    void this.flush();
    this.#poll();
  }

  /** Counters since the start. */
  metrics() {
    const numbers = this.#call("metrics") ?? this.#counters;
    return {
      ...Object.fromEntries(METRICS.map((name, at) => [name, numbers[at] ?? 0])),
      acknowledged: this.#page.acknowledged,
      failed: this.#page.failures,
      waiting: this.#waiting.count,
    };
  }
}
