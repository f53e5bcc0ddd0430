// How many requests one turn of the event loop starts, whoever's they are. Sixteen jobs with 64 requests in flight each
// kept the loop busy for tens of ms per turn, and a claim or a lookup, which waits some fifteen turns for answers, took
// half a second. What does not fit goes on in the next turns, in the order of asking; in between the loop reads its
// sockets and timers. Nothing is slower for it: what is limited is a turn, not how much is in flight.

/** Some 2 ms. */
const PER_TURN = 64;

export class TurnShare {
  readonly #perTurn: number;
  readonly #later: (() => void)[] = [];
  #left: number;
  #isTurning = false;

  constructor(perTurn = PER_TURN) {
    this.#perTurn = perTurn;
    this.#left = perTurn;
  }

  /** Whether one more may start in this turn. */
  take(): boolean {
    if (this.#left === 0) return false;
    this.#left--;
    this.#turn();
    return true;
  }

  /** Calls `wake` in one of the next turns, after those that asked before. */
  later(wake: () => void): void {
    this.#later.push(wake);
    this.#turn();
  }

  #turn(): void {
    if (this.#isTurning) return;
    this.#isTurning = true;
    setImmediate(() => {
      this.#isTurning = false;
      this.#left = this.#perTurn;
      // Those of now: who does not get his part asks for the turn after.
      for (const wake of this.#later.splice(0)) wake();
    });
  }
}
