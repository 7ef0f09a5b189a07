/**
 * The page that `switchboard demo` shows: a visitor's chat and an agent's desk side by side. Both talk to the server
 * by its public API alone, as two people in two browsers would.
 * @module
 */

import { Agent } from "./agent.js";
import { WRONG_ADDRESS } from "./connection.js";
import { AgentCredentials, VisitorCredentials, readDemo } from "./credentials.js";
import { DeskView } from "./desk-view.js";
import { h, setText } from "./dom.js";
import { Visitor } from "./visitor.js";
import { VisitorView } from "./visitor-view.js";

/** A page with this in its address is another visitor alone, without a desk. */
const VISITOR_ALONE = "#visitor";

const visitorPane = document.getElementById("visitor");
const deskPane = document.getElementById("desk");

function startVisitor() {
  const visitor = new Visitor(new VisitorCredentials());
  const view = new VisitorView(visitorPane, visitor);
  view.draw();
  visitor.connection.start();
  return { visitor, draw: () => view.draw() };
}

function startDesks(demo) {
  const template = document.getElementById("desk-template").content;
  const agents = demo.agents.map((who, place) => new Agent(who, new AgentCredentials(place)));
  const desks = agents.map((agent) => {
    const colleagues = agents.filter((other) => other !== agent);
    return new DeskView(template, agent, colleagues, goTo);
  });
  const switches = agents.map((agent) => h("button", { type: "button", onclick: () => switchTo(agent) },
    h("span", { class: "dot" }), agent.name, h("span", { class: "badge" })));
  document.getElementById("agents").replaceChildren(...switches);
  document.getElementById("desks").replaceChildren(...desks.map((desk) => desk.root));

  async function goTo(agent, id) {
    const place = agents.indexOf(agent);
    desks.forEach((desk, other) => { desk.root.hidden = other !== place; });
    switches.forEach((button, other) => button.setAttribute("aria-pressed", String(other === place)));
    agent.start();
    desks[place].draw();
    if (!id) return;
    await desks[place].show(id);
    desks[place].draw();
    // The button that led here is on a desk that is not shown any more.
    if (!desks[place].root.hidden) desks[place].focus();
  }

  function switchTo(agent) {
    goTo(agent);
    // The focus stays on the button, unless the button was used without it and the focus is gone with the other desk.
    const { activeElement } = document;
    const isLost = activeElement === document.body || activeElement?.getClientRects().length === 0;
    if (isLost) desks[agents.indexOf(agent)].focus();
  }
  goTo(agents[0]);
  return { agents, switches, draw: () => desks.forEach((desk) => desk.draw()) };
}

/** On a narrow screen one pane is shown at a time. */
function bindPaneSwitch(shown) {
  const buttons = [...document.querySelectorAll("[data-show]")];
  const show = (pane) => {
    document.body.dataset.pane = pane;
    for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.show === pane));
    shown();
  };
  for (const button of buttons) button.addEventListener("click", () => show(button.dataset.show));
  show("visitor");
}

/** Counts of what is unread, where its reader is not to be seen. */
function bindBadges(visitor, { agents, switches }) {
  const badges = {
    visitor: document.querySelector("[data-show=visitor] .badge"),
    desk: document.querySelector("[data-show=desk] .badge"),
  };
  const draw = () => {
    showCount(badges.visitor, visitor.thread.unread, "unread");
    const waiting = agents[0].queue.length;
    showCount(badges.desk, agents.reduce((sum, agent) => sum + agent.unread, waiting), "unread or waiting");
    agents.forEach((agent, place) => drawSwitch(switches[place], agent));
  };
  for (const person of [visitor, ...agents]) person.addEventListener("change", draw);
  draw();
}

/** How an agent is, and how much waits for them. */
function drawSwitch({ firstElementChild: dot, lastElementChild: badge }, agent) {
  const isThere = agent.isStarted && agent.connection.isOpen;
  dot.className = `dot ${isThere ? agent.status : "offline"}`;
  dot.setAttribute("role", "img");
  dot.setAttribute("aria-label", isThere ? agent.status : "not at the desk");
  showCount(badge, agent.unread + agent.offers.length, "unread or offered");
}

function showCount(badge, count, what) {
  setText(badge, String(count));
  badge.setAttribute("aria-label", `${count} ${what}`);
  badge.hidden = count === 0;
}

async function start() {
  let demo;
  try {
    demo = await readDemo();
  } catch (failure) {
    // Without its server the page can do nothing.
    const broken = document.getElementById("broken");
    if (failure.status === 403) setText(broken, WRONG_ADDRESS);
    broken.hidden = false;
    console.error("the demo's session could not be read:", failure.message);
    return;
  }
  const shop = startVisitor();
  if (location.hash === VISITOR_ALONE) {
    document.body.classList.add("alone");
    return;
  }
  const desks = startDesks(demo);
  bindBadges(shop.visitor, desks);
  bindPaneSwitch(() => {
    shop.draw();
    desks.draw();
  });
  // What came while the tab was in the back is read when it comes to the front.
  document.addEventListener("visibilitychange", () => {
    shop.draw();
    desks.draw();
  });
}

start();
