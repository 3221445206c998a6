// Every part of the package's contract, for the strict compiler: it is compiled and never run.
import { KafkaProducer, KurierError } from "kurier-wasm";
import type { ConnectOptions, ConnectionState, Metrics, Outcome, RecordMetadata, SendOptions, StateEvent } from "kurier-wasm";

const options: ConnectOptions = {
  bridge: new URL("wss://edge.example/{host}/{port}"),
  bootstrap: ["a:9092", "b:9092"],
  token: "0123456789abcdef",
  clientId: "page",
  maxBlockMs: 1000,
  wasm: "/kurier_wasm_bg.wasm",
  WebSocket: globalThis.WebSocket,
  acks: "all",
  lingerMs: 5,
  batchSize: 1,
  bufferMemory: 1,
  maxRequestSize: 1,
  maxInFlight: 1,
  enableIdempotence: true,
  retries: 1,
  requestTimeoutMs: 1,
  deliveryTimeoutMs: 1,
  retryBackoffMs: 1,
  retryBackoffMaxMs: 1,
  reconnectBackoffMs: 1,
  reconnectBackoffMaxMs: 1,
  metadataMaxAgeMs: 1,
};

export async function all(): Promise<void> {
  const producer: KafkaProducer = await KafkaProducer.connect(options);
  const listen = (event: StateEvent): void => {
    const { state, server, code, reason }: ConnectionState = event.detail;
    console.log(state, server, code?.toFixed(), reason?.length);
  };
  producer.addEventListener("state", listen, { once: true });
  producer.removeEventListener("state", listen);
  const record: SendOptions = { key: new Uint8Array(1), partition: 0, headers: { a: "b", c: null }, timestamp: new Date() };
  try {
    const { topic, partition, offset, timestamp }: RecordMetadata = await producer.send("t", "v", record);
    console.log(topic, partition + 1, offset === null ? timestamp : offset);
    await producer.send("t", null, { headers: [["a", new ArrayBuffer(1)], ["a", "again"]], timestamp: 0 });
  } catch (error) {
    if (!(error instanceof KurierError)) throw error;
    const outcome: Outcome = error.outcome;
    console.log(error.code, outcome, error.retriable, error.message);
  }
  const made: KurierError = new KurierError("CODE", "words", { outcome: "maybe-written", retriable: true });
  console.log(made.name);
  const {
    records, batches, requests, bytes, retries, errors, connectionsOpened, connectionsClosed, metadataUpdates, requestsInFlight,
    acknowledged, failed, waiting,
  }: Metrics = producer.metrics();
  console.log(records + batches + requests + bytes + retries + errors + connectionsOpened + connectionsClosed);
  console.log(metadataUpdates + requestsInFlight + acknowledged + failed + waiting);
  await producer.ready();
  await producer.flush();
  await producer.close({ timeoutMs: 10 });
}

// What must not compile.
// @ts-expect-error: a bridge is needed
export const noBridge: ConnectOptions = { bootstrap: "b:1" };
// @ts-expect-error: not an option
export const unknown: ConnectOptions = { bridge: "ws://x", bootstrap: "b:1", linger: 5 };
// @ts-expect-error: made by connect only
export const made = new KafkaProducer();
// @ts-expect-error: numbers are no value
export const sent = (producer: KafkaProducer) => producer.send("t", 5);
// @ts-expect-error: not an option of a record
export const mistyped = (producer: KafkaProducer) => producer.send("t", "v", { kye: "k" });
