// What every rejected Promise of the package carries.

/**
 * An error that a program can act on: `code` is Kafka's name or kurier's own, `outcome` says whether the record may be in
 * the log, `retriable` whether the same call may succeed later.
 */
export class KurierError extends Error {
  constructor(code, message, { outcome = "not-written", retriable = false } = {}) {
    super(message);
    this.name = "KurierError";
    this.code = code;
    this.outcome = outcome;
    this.retriable = retriable;
  }
}

/** Wrong use: nothing was sent, and the same call never succeeds. */
export function misuse(message) {
  return new KurierError("INVALID_RECORD", message);
}

/** Codes after which the same record may be sent again with some hope. */
const RETRIABLE = new Set([
  "BUFFER_EXHAUSTED", "NO_METADATA", "DELIVERY_TIMED_OUT", "DISCONNECTED", "NO_ANSWER", "BATCH_REJECTED",
  "NOT_ENOUGH_REPLICAS", "NOT_ENOUGH_REPLICAS_AFTER_APPEND", "REQUEST_TIMED_OUT", "NOT_LEADER_OR_FOLLOWER",
  "LEADER_NOT_AVAILABLE", "UNKNOWN_TOPIC_OR_PARTITION", "NETWORK_EXCEPTION", "THROTTLING_QUOTA_EXCEEDED",
]);

/** The error of a code that comes from the core. */
export function failure(code, message, outcome = "not-written") {
  return new KurierError(code, message, { outcome, retriable: RETRIABLE.has(code) });
}

/** What Kafka's codes do not say: what of it is whose, and what to do. */
export function advice(code, topic) {
  if (code === "TOPIC_AUTHORIZATION_FAILED") {
    return `topic ${topic} is not allowed: the bridge needs it as --allow-topic, a cluster with ACLs one that allows to write to it`;
  }
  if (code === "UNKNOWN_TOPIC_OR_PARTITION") {
    return `the cluster has no topic ${topic}: create it, or see whether the name is right`;
  }
  return undefined;
}

/** The core throws `CODE: sentence`; what a caller's own object throws is of no code. */
export function thrown(error, topic) {
  const text = String(error?.message ?? error);
  const [, code, message] = /^([A-Z][A-Z_0-9]+): ([^]*)$/.exec(text) ?? [null, "INVALID_RECORD", text];
  return failure(code, advice(code, topic) ?? message);
}
