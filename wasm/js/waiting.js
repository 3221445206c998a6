// Records that wait to be handed to the core: in order, bounded, and looked at a part at a time. Why they wait, and what they are told, is the producer's.
import { failure } from "./errors.js";

/** The core's answer to a record whose topic has no such partition, as far as is known. */
export const NO_PARTITION = -3;
/** Records that are looked at in one go: a page has other things to do, too. */
const TURNS = 1000;
/** Bytes that a record costs beside its own. */
const RECORD = 256;

/** The line of a record for a partition that its topic does not have, as far as is known: others are not to wait for it. */
const aside = ({ handle, partition }) => `${handle}/${partition}`;

export class Waiting {
  /** In order: for metadata or memory by topic, for a partition that may yet be there by themselves. */
  #lines = new Map();
  /** How many have ever waited. */
  #numbers = 0;
  #bytes = 0;
  /** Bytes that all of them may take. */
  #most;
  /** The error of records for which there is no room. */
  #full;
  /** Calls of `room` that wait. */
  #blocked = [];
  /** How many do. */
  count = 0;

  constructor(most) {
    this.#most = most;
  }

  /** The line of others that a record must be behind, so that the order stays. */
  behind(entry) {
    return [aside(entry), entry.handle].find((key) => this.#lines.has(key));
  }

  /** Throws if there is no room for a record, and why there may be none. Before `hold`. */
  measure(entry, trouble) {
    entry.size = RECORD + (entry.value?.length ?? 0) + (entry.key?.length ?? 0) + entry.headers.length;
    if (this.#bytes + entry.size > this.#most) {
      // One for all: they may be many, each with a stack of its own.
      throw (this.#full ??= failure("BUFFER_EXHAUSTED", `${this.count} records wait, which is all that \`bufferMemory\` allows: \`await producer.ready()\` before sending more${trouble}`));
    }
  }

  /** Has a record wait: in a line, or else in that of what the core has answered. */
  hold(entry, what, line) {
    entry.number = this.#numbers++;
    this.#enqueue(line ?? (what === NO_PARTITION ? aside(entry) : entry.handle), entry);
    this.count++;
    this.#bytes += entry.size;
  }

  #enqueue(key, entry) {
    const line = this.#lines.get(key);
    if (line !== undefined) line.push(entry);
    else this.#lines.set(key, [entry]);
  }

  /** A record waits no more. */
  #leave(entry) {
    this.count--;
    this.#full = undefined;
    this.#bytes -= entry.size;
    entry.left?.forEach((resolve) => resolve());
    if (this.hasRoom) this.#blocked.splice(0).forEach((resolve) => resolve());
  }

  get hasRoom() {
    return this.#bytes <= this.#most / 2;
  }

  /** Resolves when there is some. */
  room() {
    return new Promise((resolve) => this.#blocked.push(resolve));
  }

  /**
   * Tries again what waits: `append` hands a record over, below 0 it is still to wait; `vain` has it rejected where it has
   * waited too long, and `reject` where handing it over has failed. What `reject` throws ends it, with all in line that were
   * not handed over. Answers in how many ms the next one has waited too long.
   */
  retry(now, updates, append, vain, reject) {
    let soonest = Infinity;
    let turns = TURNS;
    for (const [key, line] of this.#lines) {
      let stuck = 0;
      let at = 0;
      try {
        for (; at < line.length && turns > 0; at++, turns--) {
          const entry = line[at];
          try {
            // Behind one that is stuck are only those that have waited too long, too.
            const what = stuck || append(entry);
            if (what === NO_PARTITION && key === entry.handle) {
              this.#enqueue(aside(entry), entry);
              continue;
            }
            if (what < 0) {
              stuck = what;
              if (entry.deadline > now && (what !== NO_PARTITION || entry.updates === updates)) {
                soonest = Math.min(soonest, entry.deadline - now);
                break;
              }
              throw vain(entry, what);
            }
          } catch (error) {
            reject(entry, error);
          }
          this.#leave(entry);
        }
      } finally {
        line.splice(0, at);
      }
      if (line.length === 0) this.#lines.delete(key);
      if (turns === 0) return 0;
    }
    return soonest;
  }

  /** Resolves when what waits now does so no more. */
  async handed() {
    const mark = this.#numbers;
    for (;;) {
      const last = [...this.#lines.values()].map((line) => line.findLast(({ number }) => number < mark)).filter(Boolean);
      if (last.length === 0) return;
      await Promise.all(last.map((entry) => new Promise((resolve) => (entry.left ??= []).push(resolve))));
    }
  }

  /** Ends all of it. */
  clear(reject) {
    for (const entry of [...this.#lines.values()].flat()) {
      reject(entry);
      this.#leave(entry);
    }
    this.#lines.clear();
  }
}
