// The signal bus: everything that happens is told once, and logs, metrics and tests listen.
// Owned here: fan-out and the log line of a signal (its fixed message, its data as fields).
// Invariant: emitting never throws and never waits, whatever a listener does.

import { SIGNALS, type Emit } from '../domain/signals.ts';

type Write = (fields: object, message: string) => void;

/** What is needed of a pino logger. */
export interface SignalLog {
  readonly debug: Write;
  readonly info: Write;
  readonly warn: Write;
  readonly error: Write;
}

export interface SignalBus {
  readonly emit: Emit;
  /** Adds a listener; call the answer to take it away. */
  readonly listen: (listener: Emit) => () => void;
}

/** A bus that writes to `log` by the SIGNALS table and tells `metrics`. */
export function createSignals({ log, metrics }: { log: SignalLog; metrics: Emit }): SignalBus {
  const listeners = new Set<Emit>([logging(log), metrics]);
  return {
    emit: (name, fields) => {
      for (const listener of listeners) {
        try {
          listener(name, fields);
        } catch (error) {
          log.error({ signal: name, error: String(error) }, 'signal listener failed');
        }
      }
    },
    listen: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
  };
}

function logging(log: SignalLog): Emit {
  return (name, fields) => {
    const { level, message } = SIGNALS[name];
    if (level !== 'none') log[level]({ signal: name, ...fields }, message);
  };
}
