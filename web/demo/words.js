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
 */
export function waited(since) {
  // The server's clock may be ahead of this one.
  const seconds = Math.max(0, Math.floor((Date.now() - Date.parse(since)) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${String(seconds % 60).padStart(2, "0")} s`;
  return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
}

/** @param {{position?: number, expected_wait_s?: number}} queue */
export function placeInQueue({ queue_position: position, expected_wait_s: wait }) {
  if (!position) return "Waiting for an agent";
  const place = position === 1 ? "You are next" : `You are number ${position} in the queue`;
  return wait === undefined ? place : `${place}, about ${Math.max(1, Math.round(wait / 60))} min`;
}

/**
 * The line that an event draws across a thread.
 * @param {any} event
 * @param {import("./person.js").Person} person who looks
 * @returns {string | null} none for what is no news to him
 */
export function lineOf(event, person) {
  return person.side === "visitor" ? lineForVisitor(event) : lineForAgent(event, person.id);
}

function lineForVisitor(event) {
  switch (event.kind) {
    case "assigned":
      return `${event.agent.name} is here for you`;
    case "released":
      return "You are back in the queue: somebody else will answer";
    case "ended":
      return event.by.kind === "visitor" ? "You ended the conversation" : `${nameOf(event.by)} ended the conversation`;
    case "reopened":
      return "The conversation is open again";
    default:
      return null;
  }
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
  if (reason === "transfer") return `${nameOf(by)} transferred it to ${name}`;
  if (reason === "auto") return `Assigned to ${name}`;
  return `${name === "you" ? "You" : name} took the conversation`;
}

const RELEASES = {
  released: "its agent gave it back",
  transfer: "transferred to a team",
  agent_gone: "its agent was lost",
  offline: "its agent went offline",
  over_capacity: "its agent has no more room",
  disabled: "its agent's account was disabled",
};

function nameOf(by) {
  return by?.name ?? { visitor: "The visitor", agent: "An agent", bot: "A bot" }[by?.kind] ?? "The system";
}
