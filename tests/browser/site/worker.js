import { KafkaProducer } from "/kurier/js/kurier.js";

async function produce({ options, topic, count }) {
  const producer = await KafkaProducer.connect(options);
  const sent = Array.from({ length: count }, (_, n) => producer.send(topic, `worker ${n}`, { key: "w" }));
  const acknowledged = await Promise.all(sent);
  await producer.close();
  return acknowledged.length;
}

// A dedicated worker has `onmessage` of its own, a shared one is given ports.
const serve = (port) => {
  port.onmessage = ({ data }) => produce(data).then((count) => port.postMessage(count), (error) => port.postMessage(String(error)));
};
if ("SharedWorkerGlobalScope" in globalThis) globalThis.onconnect = ({ ports: [port] }) => serve(port);
else serve(globalThis);
