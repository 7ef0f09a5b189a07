/**
 * What the demo says of people, times and events.
 * @module
 */

/** @param {{name?: string, visitor_id: string}} visitor */
export function visitorName(visitor) {
  return visitor.name ?? `Visitor ${visitor.visitor_id.slice(-4)}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

/** @param {string} at RFC 3339 */
export function clock(at) {
  return CLOCK.format(new Date(at));
}

/**
 * How long ago, in the one or two units that matter.
 * @param {string} since RFC 3339
 * @param {boolean} [isBrief] the largest unit is enough
 */
export function waited(since, isBrief = false) {
  // The server's clock may be ahead of this one.
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(since)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (isBrief && seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/**
 * Where a visitor waits.
 * @param {{position?: number, expected_wait_s?: number}} place
 */
export function placeInQueue({ position, expected_wait_s: wait }) {
  if (!position) return "You are in the queue";
  const place = position === 1 ? "You are next" : `${position - 1} before you`;
  return wait === undefined ? place : `${place}, ${roughly(wait)}`;
}

function roughly(seconds) {
  return seconds < 60 ? "less than a minute" : `about ${Math.round(seconds / 60)} min`;
}

/**
 * The line that an event draws across a thread.
 * @param {any} event
 * @param {import("./person.js").Person} person the reader
 * @returns {string | null} none for what is no news
 */
export function lineOf(event, person) {
  return person.side === "visitor" ? lineForVisitor(event) : lineForAgent(event, person.id);
}

function lineForVisitor(event) {
  switch (event.kind) {
    case "assigned":
      return joinedLine(event);
    case "released":
      return leftLine(event);
    case "ended":
      return event.by.kind === "visitor" ? "You ended the conversation" : `${nameOf(event.by)} ended the conversation`;
    case "reopened":
      return "The conversation is open again";
    default:
      return null;
  }
}

function joinedLine({ agent, reason, by }) {
  if (reason !== "transfer") return `${agent.name} has joined`;
  return by?.kind === "agent" && by.name && by.id !== agent.agent_id
    ? `${by.name} passed you on: ${agent.name} has joined`
    : `You have been passed on: ${agent.name} has joined`;
}

function leftLine({ agent, reason }) {
  if (reason === "transfer") return "You are being passed on to a colleague";
  return `${agent?.name ?? "Your agent"} has left. You keep your place, and a colleague will answer`;
}

function lineForAgent(event, own) {
  switch (event.kind) {
    case "started":
      return `${nameOf(event.by)} started the conversation`;
    case "assigned":
      return assignedLine(event, own);
    case "released":
      return `Back in the queue: ${RELEASES[event.reason] ?? event.reason}`;
    case "rated":
      return `Rated ${event.score} of 5`;
    case "ended":
      return `${nameOf(event.by)} ended the conversation`;
    case "reopened":
      return `${nameOf(event.by)} opened the conversation again`;
    default:
      return null;
  }
}

function assignedLine({ agent, reason, by }, own) {
  const name = agent.agent_id === own ? "you" : agent.name;
  if (reason === "transfer") return `${by?.id === own ? "You" : nameOf(by)} passed it on to ${name}`;
  if (reason === "auto") return `Assigned to ${name}`;
  return `${name === "you" ? "You" : name} took the conversation`;
}

const RELEASES = {
  released: "its agent gave it back",
  transfer: "passed on to a team",
  agent_gone: "its agent was lost",
  offline: "its agent went offline",
  over_capacity: "its agent has no more room",
  disabled: "its agent's account was disabled",
};

function nameOf(by) {
  return by?.name ?? { visitor: "The visitor", agent: "An agent", bot: "A bot" }[by?.kind] ?? "The system";
}
