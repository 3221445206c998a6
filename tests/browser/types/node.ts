// The package in a Node project, whose compiler knows no page: no `lib` of the DOM, only Node's own types.
import { KafkaProducer } from "kurier-wasm";
import type { SendOptions, StateEvent } from "kurier-wasm";

class OwnSocket {
  constructor(readonly url: string, readonly protocols?: string[]) {}
}

export async function all(token: string | undefined, key: string | undefined): Promise<void> {
  const producer = await KafkaProducer.connect({ bridge: new URL("ws://b"), bootstrap: "b:1", token, wasm: new Uint8Array(1), WebSocket: OwnSocket });
  const controller = new AbortController();
  producer.addEventListener("state", ({ detail }: StateEvent) => console.log(detail.server), { signal: controller.signal });
  producer.addEventListener("state", { handleEvent: (event) => console.log(event.type) });
  // What may be missing may be `undefined`.
  const record: SendOptions = { key, partition: undefined, headers: undefined, timestamp: undefined };
  await producer.ready();
  await producer.send("t", Buffer.from("v"), record);
  await producer.close({ timeoutMs: undefined });
}
