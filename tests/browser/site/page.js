import * as kurier from "/kurier/js/kurier.js";

globalThis.unhandled = [];
globalThis.addEventListener("unhandledrejection", ({ reason }) => globalThis.unhandled.push(String(reason)));
globalThis.kurier = kurier;
