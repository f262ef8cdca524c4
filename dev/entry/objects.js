// The Durable Objects of the module.
import { DurableObject } from "cloudflare:workers";
import * as worker from "./index.js";

/** A Durable Object class of the module, made anew when the module was. */
const durable = (name) => class extends DurableObject {
  #object;

  /** The reply to a message: at once where the object needs no waiting (src/edge/channel_object.rs). */
  tell(message) {
    return this.#call((object) => object.atOnce?.(message) ?? object.tell(message));
  }

  alarm() {
    return this.#call((object) => object.alarm());
  }

  async #call(work) {
    worker.awake();
    this.#object ??= new worker[name](this.ctx, this.env);
    try {
      return await work(this.#object);
    } catch (error) {
      // Said before anything is done.
      if (!/stale object/.test(error?.message)) throw error;
      this.#object = new worker[name](this.ctx, this.env);
      return work(this.#object);
    }
  }
};

export const ChannelObject = durable("ChannelObject");
export const LedgerObject = durable("LedgerObject");
export const PriceHistoryObject = durable("PriceHistoryObject");
export const QuotaObject = durable("QuotaObject");
