// The Worker's entry: hands each request to the WebAssembly module. Bundled into build/index.js.
//
// After a panic the module is dead until it is made anew; wasm-bindgen does that at the next call
// (`reset_state_function`, `force_enable_abort_handler` in dev/bindgen).
import { fetch } from "./index.js";

export default { fetch };
