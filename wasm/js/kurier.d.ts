/** Bytes of a key or value. Strings are UTF-8. `null` is Kafka's null: a value of it is a tombstone. */
export type Bytes = string | ArrayBuffer | ArrayBufferView | null;

/** Names may repeat and keep their order in the form of pairs: an array of them, a `Map`, and whatever else gives them. */
export type Headers = Readonly<Record<string, Bytes>> | Iterable<readonly [name: string, value: Bytes]>;

/**
 * What is of the wrong type or out of its range is refused by `connect`, which names it. Times of more than 12.4 days act as
 * 12.4 days.
 */
export interface ConnectOptions {
  /**
   * The bridge's URL, `ws:` or `wss:`. The broker's address is put behind its path as `/HOST/PORT`; a template with
   * `{host}` and `{port}` has it filled in, for generic proxies.
   */
  bridge: string | URL;
  /** Brokers to start from, `HOST:PORT`, as the bridge knows them. */
  bootstrap: string | readonly string[];
  /** What the bridge wants to be shown, if it does. */
  token?: string | undefined;
  /** `client.id`. Default `kurier`. */
  clientId?: string | undefined;
  /** How long a record waits for metadata or memory, in ms. Default 60000. One whose topic and partition are known does not. */
  maxBlockMs?: number | undefined;
  /**
   * Where the WebAssembly module is, if not beside this one: its URL, a `Request` or `Response` of it, its bytes, or the
   * `WebAssembly.Module`.
   */
  wasm?: string | URL | ArrayBuffer | ArrayBufferView | object | undefined;
  /** The class of WebSockets, where there is none: the one of package `ws` in Node before 22. */
  WebSocket?: (new (url: string, protocols?: string[]) => unknown) | undefined;
  /** Which acknowledgement completes a record. Default "all". */
  acks?: "all" | -1 | 0 | 1 | undefined;
  /** How long a batch waits to fill, in ms from 0. Default 5. */
  lingerMs?: number | undefined;
  /** Bytes of a batch, at most 1 GiB. Default 16384. 0: one record in each. */
  batchSize?: number | undefined;
  /**
   * Bytes of all batches, at most 1 GiB. Default 33554432. Records that wait for metadata or memory take as many at most
   * besides; what is sent beyond that is rejected at once with `BUFFER_EXHAUSTED`. See `ready`.
   */
  bufferMemory?: number | undefined;
  /** Bytes of a request, and of a record, at most 1 GiB. Default 1048576. */
  maxRequestSize?: number | undefined;
  /** Requests under way on one connection, 1 or more. Default 5. More than 5 need `enableIdempotence: false`, and act as 5. */
  maxInFlight?: number | undefined;
  /**
   * A retry is never a second record. Default true, unless `acks` or `retries` exclude it; given as true it needs `acks: "all"`
   * and `retries` above 0.
   */
  enableIdempotence?: boolean | undefined;
  /** Attempts after the first, 0 to 2147483647, which is the default: `deliveryTimeoutMs` ends them. */
  retries?: number | undefined;
  /** An unanswered request closes its connection after so long, in ms. Default 30000. */
  requestTimeoutMs?: number | undefined;
  /**
   * From accepting a record to its outcome, retries included, in ms: at least `lingerMs` + `requestTimeoutMs`. Default 120000,
   * or their sum where that is more.
   */
  deliveryTimeoutMs?: number | undefined;
  /** The wait before the first retry, in ms from 0. Default 100. It doubles with each. */
  retryBackoffMs?: number | undefined;
  /** The longest wait before a retry, in ms from 0. Default 1000. */
  retryBackoffMaxMs?: number | undefined;
  /** The wait before a broker is connected to again, in ms from 0. Default 50. It doubles with each failure. */
  reconnectBackoffMs?: number | undefined;
  /** The longest wait before a broker is connected to again, in ms from 0. Default 1000. */
  reconnectBackoffMaxMs?: number | undefined;
  /** How old what is known of topics and brokers may get before it is asked for anew, in ms from 0. Default 300000. */
  metadataMaxAgeMs?: number | undefined;
}

export interface SendOptions {
  /** Records of one key keep their order. */
  key?: Bytes | undefined;
  /** The partition, if not the partitioner's choice. */
  partition?: number | undefined;
  headers?: Headers | undefined;
  /** Default now. */
  timestamp?: Date | number | undefined;
}

export interface RecordMetadata {
  topic: string;
  partition: number;
  /** `null` where the broker did not tell it, as with `acks: 0`. */
  offset: number | null;
  /** Milliseconds since 1970. */
  timestamp: number;
}

/** Whether a record is in the log. */
export type Outcome = "not-written" | "maybe-written" | "written";

export declare class KurierError extends Error {
  constructor(code: string, message: string, options?: { outcome?: Outcome; retriable?: boolean });
  readonly name: "KurierError";
  /** Kafka's name of the error, or kurier's own. */
  readonly code: string;
  readonly outcome: Outcome;
  /** Whether the same call may succeed later. */
  readonly retriable: boolean;
}

export interface ConnectionState {
  state: "connected" | "disconnected";
  /** `HOST:PORT` of the broker. */
  server: string;
  /** Why it was closed: the code of the WebSocket's close frame, 0 where the producer gave it up. */
  code?: number;
  reason?: string;
}

export interface StateEvent extends Event {
  readonly type: "state";
  readonly detail: ConnectionState;
}

export interface Metrics {
  /** Records that were put into requests, repeats included. */
  records: number;
  /** Batches that were put into requests, repeats included. */
  batches: number;
  /** Produce requests that were begun. */
  requests: number;
  /** Bytes of those batches. */
  bytes: number;
  /** Batches that were sent again. */
  retries: number;
  /** Records that had a place in a batch and failed. `failed` counts those that never had one, too. */
  errors: number;
  /** Connections to brokers that were opened: WebSockets. */
  connectionsOpened: number;
  /** Connections to brokers that were closed, by whichever side. */
  connectionsClosed: number;
  /** Answers about topics and brokers that were taken. */
  metadataUpdates: number;
  /** Requests of any kind that have no answer yet. */
  requestsInFlight: number;
  /** Promises that were resolved. */
  acknowledged: number;
  /** Promises that were rejected. */
  failed: number;
  /** Records that wait for metadata or memory. */
  waiting: number;
}

/** As browsers and Node have it. */
export interface ListenerOptions {
  capture?: boolean;
  once?: boolean;
  passive?: boolean;
  signal?: AbortSignal;
}

/**
 * It holds connections and memory until it is closed: one that is only forgotten keeps them until the page is gone, and goes on
 * sending what it was given. Call `close`.
 */
export declare class KafkaProducer extends EventTarget {
  private constructor();
  /** Rejects with a `KurierError` that names the option that is wrong. */
  static connect(options: ConnectOptions): Promise<KafkaProducer>;
  /**
   * Resolves when the broker has acknowledged the record; rejects with a `KurierError`. What is wrong with a record itself is
   * `INVALID_RECORD`, `INVALID_PARTITION` or `RECORD_TOO_LARGE`.
   */
  send(topic: string, value: Bytes, options?: SendOptions): Promise<RecordMetadata>;
  /**
   * Resolves when there is room for more: at once, unless records wait for metadata or memory and take half of what they may.
   * With `await producer.ready()` before each `send` a loop has a bounded memory. Never rejects.
   */
  ready(): Promise<void>;
  /** Resolves when everything sent so far has its outcome. Never rejects. */
  flush(): Promise<void>;
  /** Waits for what is under way, `timeoutMs` (default 30000) at most, and closes. Rejects only where its options are wrong. */
  close(options?: { timeoutMs?: number | undefined }): Promise<void>;
  /** Counters since the start; after `close` or `PRODUCER_FAILED` the last ones. */
  metrics(): Metrics;
  addEventListener(type: "state", listener: (event: StateEvent) => void, options?: boolean | ListenerOptions): void;
  addEventListener(
    type: string,
    listener: ((event: Event) => void) | { handleEvent(event: Event): void } | null,
    options?: boolean | ListenerOptions,
  ): void;
  removeEventListener(type: "state", listener: (event: StateEvent) => void, options?: boolean | ListenerOptions): void;
  removeEventListener(
    type: string,
    listener: ((event: Event) => void) | { handleEvent(event: Event): void } | null,
    options?: boolean | ListenerOptions,
  ): void;
}
