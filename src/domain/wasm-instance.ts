// Makes an instance of a WebAssembly module. Its exports are as whoever asks declares them: the module is built from
// sources of this repository, and nothing else is loaded here.

/** TypeScript knows WebAssembly as a part of browsers only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: unknown };
};

/** A place in the module's memory, or a number that it was built with. */
export interface Place {
  readonly value: number;
}

/** Compiles `bytes` now; a module of some KB takes milliseconds. */
export function wasmExports(bytes: Uint8Array): unknown {
  return new WebAssembly.Instance(new WebAssembly.Module(bytes)).exports;
}
