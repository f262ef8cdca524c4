// The ports of the local set-up, and a clear word when one is taken.
import { createServer } from "node:net";
import { fail } from "./tools.mjs";

const ports = [
  { key: "worker", what: "the Worker", variable: "X402_EDGE_PORT", port: 8402 },
  { key: "facilitator", what: "the facilitator", variable: "X402_EDGE_FACILITATOR_PORT", port: 8403 },
  { key: "origin", what: "the demo origin", variable: "X402_EDGE_ORIGIN_PORT", port: 8404 },
  { key: "chain", what: "the local chain", variable: "X402_EDGE_CHAIN_PORT", port: 8405 },
];

/** The ports in use, by key. */
export const configured = Object.fromEntries(
  ports.map(({ key, variable, port }) => {
    const chosen = Number(process.env[variable] ?? port);
    if (!Number.isInteger(chosen) || chosen < 1 || chosen > 65535) fail(`${variable} is no port number: ${process.env[variable]}`, 2);
    return [key, chosen];
  }),
);

/** Ends the program if one of the ports is taken. */
export async function needFreePorts() {
  const taken = [];
  for (const { key, what, variable } of ports) {
    const port = configured[key];
    const free = await new Promise((resolve) => {
      const probe = createServer();
      probe.once("error", () => resolve(false));
      probe.listen({ port, host: "127.0.0.1", exclusive: true }, () => probe.close(() => resolve(true)));
    });
    if (!free) taken.push(`port ${port} (${what}) is in use: stop the program that holds it, or set ${variable}`);
  }
  if (taken.length > 0) fail(taken.join("\n  "));
}
