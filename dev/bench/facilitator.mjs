// The official facilitator on the local chain, with a delay added to each call.
import { setTimeout as sleep } from "node:timers/promises";
import { startFacilitator as start } from "../local/facilitator.mjs";

export async function startFacilitator(chain) {
  const facilitator = {
    delay: 0,
    calls: [],
    running: 0,
    /** Until nobody has asked for some time: work in the background is over too. */
    async idle() {
      let seen;
      do {
        seen = facilitator.calls.length;
        await sleep(facilitator.delay + 150);
      } while (facilitator.running > 0 || facilitator.calls.length > seen);
    },
  };
  const started = await start({
    port: 0,
    chainUrl: chain.url,
    onCall: async (operation, body) => {
      facilitator.calls.push({ operation, payTo: body?.paymentRequirements.payTo });
      facilitator.running += 1;
      await sleep(facilitator.delay);
      facilitator.running -= 1;
    },
  });
  return Object.assign(facilitator, { url: started.url, stop: started.stop });
}
