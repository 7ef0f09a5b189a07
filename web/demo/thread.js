/**
 * A conversation as one person sees it: its head, a dense run of its log up to the last event known, the read marks,
 * who types, and what is still to be sent.
 * @module
 */

/** One conversation, or for a visitor the one that the first message will start. */
export class Thread {
  /** @type {any} the contract's `conversation`; `null` before it is started */
  conversation = null;
  /** @type {any[]} the contract's `event`s, by `seq`, without a hole */
  events = [];
  /** @type {{by: {kind: string, name?: string}, preview?: string} | null} the other side, while it types */
  typing = null;
  /** @type {import("./outbox.js").Outbox} */
  outbox;
  /** Events that are missing are being paged. */
  filling = false;

  #side;

  /** @param {"visitor" | "agent"} side whose view it is */
  constructor(side) {
    this.#side = side;
  }

  /** @returns {string | null} */
  get id() {
    return this.conversation?.id ?? null;
  }

  /** The position: all events up to it are here. */
  get lastSeq() {
    return this.events.at(-1)?.seq ?? 0;
  }

  /** There are events before those that are here. */
  get hasEarlier() {
    return (this.events[0]?.seq ?? 1) > 1;
  }

  get isEnded() {
    return this.conversation?.state === "ended";
  }

  /** The other side's messages after one's own read mark, of those that are here. */
  get unread() {
    const mark = this.conversation?.read[this.#side] ?? 0;
    return this.events.filter((event) => event.seq > mark && this.isIncoming(event)).length;
  }

  /** The last message of either side. */
  get lastMessage() {
    return this.events.findLast((event) => event.kind === "message");
  }

  /** A message of the other side. */
  isIncoming(event) {
    return event.kind === "message" && (event.by?.kind === "visitor") !== (this.#side === "visitor");
  }

  /**
   * Takes what a first page answered.
   * @param {any} conversation
   * @param {any[]} events its last ones
   */
  load(conversation, events) {
    this.conversation = conversation;
    this.events = events;
    for (const event of events) {
      // The page may be newer than the head that came with it.
      if (event.seq > conversation.last_seq) this.#account(event);
      else this.#settle(event);
    }
  }

  /** Takes the files' links from a later reading of the same events. */
  renewLinks(events) {
    const files = new Map(events.map((event) => [event.seq, event.files]));
    this.events = this.events.map((event) => (
      event.files?.length > 0 && files.get(event.seq) ? { ...event, files: files.get(event.seq) } : event));
  }

  /** Puts a page of earlier events in front. */
  prepend(events) {
    const first = this.events[0]?.seq ?? Infinity;
    this.events = [...events.filter((event) => event.seq < first), ...this.events];
  }

  /**
   * Takes the next event.
   * @returns {"new" | "known" | "gap"} `gap`: it was not taken, those between are to be paged first
   */
  apply(event) {
    if (event.seq <= this.lastSeq) return "known";
    if (event.seq > this.lastSeq + 1) return "gap";
    this.events.push(event);
    this.#account(event);
    return "new";
  }

  /**
   * Takes a head that was read apart from the log: it may be older or newer than what is here.
   * @param {any} head
   */
  merge(head) {
    const read = this.conversation?.read ?? head.read;
    if (head.last_seq >= this.lastSeq) this.conversation = { ...head, read };
    this.markRead("visitor", head.read.visitor);
    this.markRead("agent", head.read.agent);
  }

  /**
   * Moves a read mark; marks never move back.
   * @param {string} side `visitor` or `agent`
   * @param {number} seq
   */
  markRead(side, seq) {
    const { read } = this.conversation;
    if (seq > (read[side] ?? Infinity)) this.conversation = { ...this.conversation, read: { ...read, [side]: seq } };
  }

  /** What an event changes besides the log. */
  #account(event) {
    const change = changeOfHead(event, this.conversation);
    this.conversation = { ...this.conversation, ...change, last_seq: event.seq, last_event_at: event.at };
    this.#settle(event);
    if (event.kind !== "message") return;
    this.markRead(event.by.kind, event.seq);
    if (this.typing?.by.kind === event.by.kind) this.typing = null;
  }

  /** What is in the log, message or note, is no longer to be sent. */
  #settle(event) {
    if (event.client_id && event.by?.kind === this.#side) this.outbox.settle(event.client_id);
  }
}

/** @returns {object} the fields of a conversation that this event sets, as it was before */
function changeOfHead(event, { queued_at }) {
  switch (event.kind) {
    case "assigned":
      return {
        state: "assigned", assignee: event.agent, assignment_epoch: event.assignment_epoch, assigned_at: event.at,
        queue_position: undefined,
      };
    case "released":
      // Its place in the queue is kept; a list that knows it better will say so.
      return { state: "queued", assignee: undefined, queued_at: queued_at ?? event.at };
    case "transferred":
      // To an agent: `assigned` follows at once. To a team: it waits there from now.
      return event.to?.team_id ? { state: "queued", assignee: undefined, queued_at: event.at } : {};
    case "ended":
      return { state: "ended", ended_at: event.at, ended_by: event.by, end_reason: event.reason };
    case "reopened":
      return { state: "queued", ended_at: undefined, ended_by: undefined, end_reason: undefined };
    case "rated":
      return { rating: { score: event.score, comment: event.comment } };
    default:
      return {};
  }
}
