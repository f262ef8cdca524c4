// The Worker's entry: hands requests, alarms and schedules to the WebAssembly module. Bundled into build/index.js.
//
// After a panic the module is dead until it is made anew; wasm-bindgen does that at the next call
// (`reset_state_function`, `force_enable_abort_handler` in dev/bindgen). Objects of the dead one refuse to work.
import * as worker from "./index.js";

export default {
  fetch(request, env, context) {
    const answer = worker.fetch(request, env, context);
    // A payment that has begun is finished, also when its client has gone.
    context.waitUntil(answer.catch(() => {}));
    return answer;
  },
  scheduled(event, env, context) {
    return worker.scheduled(event, env, context);
  },
};

/** A Durable Object class of the module, made anew when the module was. */
const durable = (name) => class {
  constructor(state, env) {
    this.make = () => new worker[name](state, env);
    this.object = this.make();
  }

  fetch(request) {
    return this.#call((object) => object.fetch(request));
  }

  alarm() {
    return this.#call((object) => object.alarm());
  }

  async #call(work) {
    try {
      return await work(this.object);
    } catch (error) {
      // Said before anything is done.
      if (!/stale object/.test(error?.message)) throw error;
      this.object = this.make();
      return work(this.object);
    }
  }
};

export const LedgerObject = durable("LedgerObject");
export const PriceHistoryObject = durable("PriceHistoryObject");
export const QuotaObject = durable("QuotaObject");
