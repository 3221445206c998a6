// The same package in Node through a bridge that speaks TLS, with a certificate of the test's own.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WebSocket } from "ws";
import { KafkaProducer, KurierError } from "../../wasm/js/kurier.js";
import { bridge, cluster, log } from "./servers.mjs";

/** A certificate for this machine and its key, as files. */
function certify(t) {
  const folder = mkdtempSync(join(tmpdir(), "kurier-wss-"));
  t.after(() => rmSync(folder, { recursive: true }));
  const [cert, key] = [join(folder, "cert.pem"), join(folder, "key.pem")];
  const kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  const name = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"];
  execFileSync("openssl", ["req", "-x509", ...kind, ...name, "-keyout", key, "-out", cert], { stdio: "ignore" });
  return { cert, key };
}

/** A WebSocket that trusts this certificate and no other. */
const trusting = (ca) =>
  class extends WebSocket {
    constructor(url, protocols) {
      super(url, protocols, { ca });
    }
  };

test("Node produces through wss, and is told when the bridge speaks TLS and it does not", { timeout: 60_000 }, async (t) => {
  const { cert, key } = certify(t);
  const kafka = await cluster(t);
  const { address } = await bridge(t, kafka, "--tls-cert", cert, "--tls-key", key);
  const common = { bootstrap: kafka.bootstrap, WebSocket: trusting(readFileSync(cert)) };
  const producer = await KafkaProducer.connect({ ...common, bridge: `wss://${address}` });
  const sent = Array.from({ length: 1000 }, (_, n) => producer.send(kafka.topic, `v${n}`));
  await producer.flush();
  assert.equal((await Promise.all(sent)).length, 1000);
  await producer.close();
  assert.equal((await log(kafka)).length, 1000);
  const refused = async () => {
    const plain = await KafkaProducer.connect({ ...common, bridge: `ws://${address}` });
    await plain.send(kafka.topic, "never");
  };
  const error = await refused().then(() => assert.fail("no error"), (error) => error);
  assert.ok(error instanceof KurierError, String(error));
  assert.equal(error.code, "BRIDGE_FORBIDDEN");
  assert.match(error.message, /wss:\/\//);
  assert.equal((await log(kafka)).length, 1000);
});
