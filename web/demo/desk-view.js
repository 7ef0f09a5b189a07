/**
 * An agent's desk: the status, the offers, the lists, and the conversation in front.
 * @module
 */

import { bindBanner } from "./banner.js";
import { CannedList } from "./canned.js";
import { Composer } from "./composer.js";
import { Confirm } from "./confirm.js";
import { DeskList } from "./desk-list.js";
import { announce, h, isSeen, oncePerFrame, partsOf, setText } from "./dom.js";
import { FocusKeeper } from "./focus.js";
import { Handover } from "./handover.js";
import { OffersView } from "./offers-view.js";
import { explain } from "./person.js";
import { ThreadView } from "./thread-view.js";
import { WhyView } from "./why-view.js";
import { visitorName, waited } from "./words.js";

/** More places than these are said in numbers alone. */
const PIPS_MAX = 10;

/** Draws an {@link import("./agent.js").Agent} and does what is clicked. */
export class DeskView {
  /** @type {HTMLElement} */
  root;

  #agent;
  #colleagues;
  #parts;
  #offers;
  #lists;
  #why;
  #handover;
  #thread;
  #canned;
  #composer;
  #confirm;
  #focus;
  /** The conversation whose draft is in the composer. */
  #draftOf = null;
  #noticeGoes = 0;

  /**
   * @param {DocumentFragment} template which is cloned
   * @param {import("./agent.js").Agent} agent
   * @param {import("./agent.js").Agent[]} colleagues the others who have a desk on this page
   * @param {(agent: import("./agent.js").Agent, id?: string) => void} goTo shows another desk, and this there
   */
  constructor(template, agent, colleagues, goTo) {
    this.root = /** @type {HTMLElement} */ (template.cloneNode(true)).firstElementChild;
    this.#agent = agent;
    this.#colleagues = colleagues;
    this.#parts = partsOf(this.root);
    const parts = this.#parts;
    const accept = (id) => this.#try(() => this.#accept(id));
    const decline = (id) => this.#try(() => this.#decline(id));
    this.#offers = new OffersView(parts, agent, { accept, decline });
    this.#lists = new DeskList(parts, agent, { show: (id) => this.#showFromList(id), accept });
    this.#why = new WhyView(parts, agent, new Map([agent, ...colleagues].map(({ id, name }) => [id, name])));
    this.#handover = new Handover(parts.handover, agent, colleagues);
    this.#thread = new ThreadView(parts, agent, (text) => this.#notify(text));
    parts.canned.id = `canned-${agent.id}`;
    this.#canned = new CannedList(parts.canned, parts.input, {
      find: (prefix) => agent.canned(agent.openId, prefix),
      pick: (text) => this.#composer.fill(text),
    });
    this.#composer = new Composer(parts, {
      send: (text, files) => this.#open()?.outbox.add(text, this.#isNote, files),
      tell: (typing) => this.#tell(typing),
      keep: (text) => agent.drafts.set(agent.openId, this.#isNote ? { note: text } : { reply: text }),
      fail: (text) => this.#notify(text),
      bytesMax: () => agent.uploadBytesMax,
      takesKey: (event) => this.#canned.takesKey(event),
    });
    this.#confirm = new Confirm(parts.confirm, parts);
    // No button that accepts: a key that is still pressed would take what nobody looked at.
    this.#focus = new FocusKeeper(this.root, () => [
      parts.input, parts.goTo, parts.log, ...this.root.querySelectorAll(".row"), parts.status,
    ]);
    this.#bindButtons(goTo);
    this.#bindModes();
    bindBanner(parts, agent.connection);

    const draw = oncePerFrame(() => this.draw());
    agent.addEventListener("change", draw);
    setInterval(draw, 1_000);
    agent.addEventListener("incoming", ({ detail: { thread, event } }) => {
      if (!agent.holds(thread.conversation)) return;
      announce(`At the desk, ${visitorName(thread.conversation.visitor)} says: ${event.text || "a file"}`);
    });
    agent.addEventListener("offered", ({ detail }) => {
      announce(`${agent.name} is offered ${visitorName(detail.visitor)}, who waits to be answered`);
    });
  }

  #bindButtons(goTo) {
    const parts = this.#parts;
    const agent = this.#agent;
    parts.status.addEventListener("change", async () => {
      await this.#try(() => agent.setStatus(parts.status.value));
      parts.status.value = agent.status;
    });
    parts.goOnline.addEventListener("click", async () => {
      await this.#try(() => agent.setStatus("online"));
      parts.status.focus();
    });
    parts.back.addEventListener("click", () => {
      const row = this.root.querySelector(".row[aria-current=true]");
      this.show(null);
      // On a narrow screen the row is shown only then.
      this.draw();
      row?.focus();
    });
    parts.accept.addEventListener("click", () => this.#try(() => this.#accept(agent.openId)));
    parts.end.addEventListener("click", () => this.#end(agent.openId));
    parts.transfer.addEventListener("click", () => {
      const head = agent.head(agent.openId);
      this.#try(() => this.#handover.open(head, visitorName(head.visitor)));
    });
    parts.goTo.addEventListener("click", () => goTo(this.#holder(agent.head(agent.openId)), agent.openId));
  }

  /** Reply or note: each has its own text, so that no word for colleagues goes to a visitor by a slip. */
  #bindModes() {
    const { modes, input } = this.#parts;
    let isByPointer = false;
    modes.addEventListener("pointerdown", () => { isByPointer = true; });
    modes.addEventListener("keydown", () => { isByPointer = false; });
    modes.addEventListener("change", () => {
      this.#agent.drafts.set(this.#agent.openId, { isNote: this.#isNote });
      this.#composer.pause();
      this.#showText();
      this.draw();
      // Arrow keys go on between the two.
      if (isByPointer) input.focus();
    });
  }

  /** Has a keyboard go on where the work is. */
  focus() {
    this.#focus.go();
  }

  /** Draws everything anew. What its agent sees is read. */
  draw() {
    const agent = this.#agent;
    const parts = this.#parts;
    if (document.activeElement !== parts.status) parts.status.value = agent.status;
    parts.status.dataset.status = agent.status;
    parts.rests.hidden = !agent.connection.isOpen || agent.status === "online";
    setText(parts.restsText, restsBecause(agent));
    this.#drawLoad();
    this.#offers.draw();
    this.#lists.draw();
    const thread = this.#open();
    this.root.classList.toggle("has-open", agent.openId !== null);
    parts.hint.hidden = agent.openId !== null;
    parts.thread.hidden = !thread;
    this.#showDraft();
    if (thread) this.#drawThread(thread);
    this.#focus.check();
  }

  #showDraft() {
    const { openId, drafts } = this.#agent;
    if (openId === this.#draftOf) return;
    this.#draftOf = openId;
    const isNote = openId !== null && drafts.get(openId).isNote;
    this.#parts.note.checked = isNote;
    this.#parts.reply.checked = !isNote;
    this.#showText();
  }

  #showText() {
    const { openId, drafts } = this.#agent;
    const draft = drafts.get(openId);
    if (this.#isNote) this.#composer.swap(`${openId} note`, draft.note);
    else this.#composer.swap(`${openId} reply`, draft.reply);
  }

  #drawLoad() {
    const { mine, capacity } = this.#agent;
    setText(this.#parts.load, capacity ? `${mine.length} of ${capacity}` : "");
    const pips = capacity > PIPS_MAX ? 0 : capacity;
    if (this.#parts.pips.childElementCount !== pips) {
      this.#parts.pips.replaceChildren(...Array.from({ length: pips }, () => h("i")));
    }
    [...this.#parts.pips.children].forEach((pip, place) => pip.classList.toggle("taken", place < mine.length));
  }

  #drawThread(thread) {
    const parts = this.#parts;
    const head = thread.conversation;
    const isQueued = head.state === "queued";
    const isMine = this.#agent.holds(head);
    setText(parts.name, visitorName(head.visitor));
    setText(parts.state, this.#stateOf(head));
    parts.verbs.hidden = !isMine;
    parts.take.hidden = !isQueued;
    setText(parts.takeText, `Waiting for ${waited(head.queued_at ?? head.created_at)}. Accept to answer.`);
    parts.composer.hidden = !isMine;
    parts.elsewhere.hidden = isMine || isQueued;
    setText(parts.elsewhereText, elsewhere(head));
    const holder = this.#holder(head);
    parts.goTo.hidden = !holder;
    setText(parts.goTo, `Go to ${holder?.name}'s desk`);
    this.#why.draw(head);
    parts.composer.classList.toggle("note", this.#isNote);
    parts.input.placeholder = this.#isNote ? "Only agents will see this" : "Answer, or / for canned responses";
    this.#thread.draw(thread);
    if (isMine && isSeen(parts.log)) this.#agent.read(thread);
  }

  /** The colleague on this page who has it. */
  #holder(head) {
    if (head?.state !== "assigned") return undefined;
    return this.#colleagues.find(({ id }) => id === head.assignee?.agent_id);
  }

  #stateOf(head) {
    if (head.state === "ended") return "Ended";
    if (head.state === "queued") return "Waiting";
    if (head.state === "bot") return "With a bot";
    return this.#agent.holds(head) ? "Yours" : `With ${head.assignee?.name ?? "a colleague"}`;
  }

  get #isNote() {
    return this.#parts.note.checked;
  }

  #open() {
    return this.#agent.threads.get(this.#agent.openId);
  }

  /**
   * Puts a conversation in front of the agent, or none.
   * @param {string | null} id
   */
  async show(id) {
    if (id !== this.#agent.openId) this.#composer.pause();
    await this.#try(() => this.#agent.show(id));
  }

  /** One who opens a conversation means to write there; on a touch screen that would bring up the keyboard. */
  async #showFromList(id) {
    await this.show(id);
    this.draw();
    const isLost = document.activeElement === document.body;
    if (isLost || matchMedia("(pointer: fine)").matches && !this.#parts.composer.hidden) this.#focus.go();
  }

  async #end(id) {
    const who = visitorName(this.#agent.head(id).visitor);
    const isMeant = await this.#confirm.ask(`End the conversation with ${who}?`);
    if (isMeant) await this.#try(() => this.#agent.end(id));
  }

  async #accept(id) {
    await this.#agent.accept(id);
    await this.show(id);
    this.draw();
    this.#parts.input.focus();
  }

  async #decline(id) {
    const declined = this.#agent.decline(id);
    // The button goes with its offer: the next one is where a keyboard goes on.
    this.draw();
    this.root.querySelector(".offer button, .row")?.focus();
    await declined;
  }

  #tell(typing) {
    const thread = this.#open();
    // A note is nothing that the visitor should wait for.
    if (!thread || (typing && this.#isNote) || !this.#agent.holds(thread.conversation)) return;
    this.#agent.connection.cast({ type: "typing", conversation_id: thread.id, typing });
  }

  async #try(act) {
    this.#notify("");
    try {
      await act();
    } catch (failure) {
      this.#notify(explain(failure));
    }
  }

  #notify(text) {
    clearTimeout(this.#noticeGoes);
    setText(this.#parts.notice, text);
    this.#parts.notice.hidden = text === "";
    if (text) this.#noticeGoes = setTimeout(() => this.#notify(""), 8_000);
  }
}

function restsBecause({ status, missedOffers }) {
  if (missedOffers) return "Two offers in a row were missed, so you are away now.";
  return status === "away" ? "You are away: nothing is offered to you." : "You are offline: you cannot take anything.";
}

function elsewhere(head) {
  if (head.state === "ended") return "This conversation has ended.";
  if (head.state === "bot") return "A bot answers this conversation.";
  return `${head.assignee?.name ?? "A colleague"} has this conversation now.`;
}
