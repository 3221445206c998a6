/** Bytes of a key or value. Strings are UTF-8. `null` is Kafka's null: a value of it is a tombstone. */
export type Bytes = string | ArrayBuffer | ArrayBufferView | null;

/** Names may repeat and keep their order in the form of pairs: an array of them, a `Map`, and whatever else gives them. */
export type Headers = Readonly<Record<string, Bytes>> | Iterable<readonly [name: string, value: Bytes]>;

export interface ConnectOptions {
  /**
   * The bridge's URL, `ws:` or `wss:`. The broker's address is put behind its path as `/HOST/PORT`; a template with
   * `{host}` and `{port}` has it filled in, for generic proxies.
   */
  bridge: string | URL;
  /** Brokers to start from, `HOST:PORT`, as the bridge knows them. */
  bootstrap: string | readonly string[];
  /** What the bridge wants to be shown, if it does. */
  token?: string;
  /** `client.id`. Default `kurier`. */
  clientId?: string;
  /** How long a record waits for metadata or memory, in ms. Default 60000. */
  maxBlockMs?: number;
  /** Where the WebAssembly module is, if not beside this one; or its bytes, or the module. */
  wasm?: string | URL | Request | Response | BufferSource | WebAssembly.Module;
  /** The class of WebSockets, where there is none: the one of package `ws` in Node before 22. */
  WebSocket?: new (url: string, protocols?: string[]) => unknown;
  /** Which acknowledgement completes a record. Default "all". */
  acks?: "all" | -1 | 0 | 1;
  /** How long a batch waits to fill, in ms. Default 5. */
  lingerMs?: number;
  /** Bytes of a batch. Default 16384. */
  batchSize?: number;
  /** Bytes of all batches, at most 1 GiB. Default 33554432. */
  bufferMemory?: number;
  /** Bytes of a request, and of a record. Default 1048576. */
  maxRequestSize?: number;
  /** Requests under way on one connection. Default 5. */
  maxInFlight?: number;
  /** A retry is never a second record. Default true. */
  enableIdempotence?: boolean;
  /** Attempts after the first. By default `deliveryTimeoutMs` ends them. */
  retries?: number;
  /** An unanswered request closes its connection after so long, in ms. Default 30000. */
  requestTimeoutMs?: number;
  /** From accepting a record to its outcome, retries included, in ms. Default 120000. */
  deliveryTimeoutMs?: number;
  /** In ms. Default 100. */
  retryBackoffMs?: number;
  /** In ms. Default 1000. */
  retryBackoffMaxMs?: number;
  /** In ms. Default 50. */
  reconnectBackoffMs?: number;
  /** In ms. Default 1000. */
  reconnectBackoffMaxMs?: number;
  /** In ms. Default 300000. */
  metadataMaxAgeMs?: number;
}

export interface SendOptions {
  /** Records of one key keep their order. */
  key?: Bytes;
  /** The partition, if not the partitioner's choice. */
  partition?: number;
  headers?: Headers;
  /** Default now. */
  timestamp?: Date | number;
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
  /** Put into requests, repeats included. */
  records: number;
  batches: number;
  requests: number;
  bytes: number;
  /** Batches that were sent again. */
  retries: number;
  errors: number;
  connectionsOpened: number;
  connectionsClosed: number;
  metadataUpdates: number;
  requestsInFlight: number;
  /** Promises that were resolved. */
  acknowledged: number;
  /** Promises that were rejected. */
  failed: number;
  /** Records that wait for metadata or memory. */
  waiting: number;
}

export declare class KafkaProducer extends EventTarget {
  private constructor();
  /** Rejects with a `KurierError` that names the option that is wrong. */
  static connect(options: ConnectOptions): Promise<KafkaProducer>;
  /** Resolves when the broker has acknowledged the record; rejects with a `KurierError`. */
  send(topic: string, value: Bytes, options?: SendOptions): Promise<RecordMetadata>;
  /** Resolves when everything sent so far has its outcome. Never rejects. */
  flush(): Promise<void>;
  /** Waits for what is under way, `timeoutMs` (default 30000) at most, and closes. Rejects only where `timeoutMs` is no such number. */
  close(options?: { timeoutMs?: number }): Promise<void>;
  metrics(): Metrics;
  addEventListener(
    type: "state",
    listener: (event: StateEvent) => void,
    options?: boolean | AddEventListenerOptions,
  ): void;
  addEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | AddEventListenerOptions,
  ): void;
  removeEventListener(
    type: "state",
    listener: (event: StateEvent) => void,
    options?: boolean | EventListenerOptions,
  ): void;
  removeEventListener(
    type: string,
    listener: EventListenerOrEventListenerObject | null,
    options?: boolean | EventListenerOptions,
  ): void;
}
