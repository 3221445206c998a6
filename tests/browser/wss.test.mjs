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
  return issue({ cert: join(folder, "cert.pem"), key: join(folder, "key.pem") });
}

/** Another certificate in these files. */
function issue({ cert, key }) {
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

/** How the beginning of a WebSocket ends: with "open", or an error in words. */
async function shaken(url, options) {
  const socket = new WebSocket(url, options);
  const end = await new Promise((resolve) => {
    socket.once("open", () => resolve("open"));
    socket.once("error", (error) => resolve(`${error.code} ${error.message}`));
  });
  socket.terminate();
  return end;
}

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

test("the bridge shows the certificate that SIGHUP had it read, and speaks TLS 1.3 only", { timeout: 60_000 }, async (t) => {
  const files = certify(t);
  const old = readFileSync(files.cert);
  const { address, pid } = await bridge(t, await cluster(t), "--tls-cert", files.cert, "--tls-key", files.key);
  const url = `wss://${address}`;
  assert.equal(await shaken(url, { ca: old }), "open");
  assert.match(await shaken(url, { ca: old, maxVersion: "TLSv1.2" }), /alert protocol version/);
  issue(files);
  const ca = readFileSync(files.cert);
  assert.match(await shaken(url, { ca }), /SELF_SIGNED_CERT/, "not before it is told");
  process.kill(pid, "SIGHUP");
  // It is read a moment later.
  while ((await shaken(url, { ca })) !== "open") await new Promise((resolve) => setTimeout(resolve, 20));
  assert.match(await shaken(url, { ca: old }), /SELF_SIGNED_CERT/);
});
