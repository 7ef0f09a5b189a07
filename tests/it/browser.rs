//! The demo's page in a real browser: what a newcomer sees and does.

use driver::{Browser, Options, Page, Sandbox};

/// The visitor's bubbles, and those of the desk that is shown.
const CHAT: &str = "document.querySelector('#visitor [data-part=events]').innerText";
const THREAD: &str =
    "document.querySelector('#desk .desk:not([hidden]) .thread [data-part=events]').innerText";
/// Where the agent whose desk is shown writes.
const REPLY: &str = "#desk .desk:not([hidden]) .thread [data-part=input]";

async fn accept(page: &mut Page) {
    let button = "document.querySelector('#desk .desk:not([hidden]) button.accept')";
    page.until(&format!("!!{button}")).await.unwrap();
    page.evaluate(&format!("{button}.click()")).await.unwrap();
    page.until(&format!("{THREAD}.includes('Where is my tea?')")).await.unwrap();
}

async fn reply(page: &mut Page, text: &str) {
    page.until(&format!("!!document.querySelector('{REPLY}')?.offsetParent")).await.unwrap();
    page.type_and_enter(REPLY, text).await.unwrap();
}

/// Clicks what `selector` finds at the desk that is shown, once it is to be seen.
async fn click_at_desk(page: &mut Page, selector: &str) {
    let found = format!("document.querySelector('#desk .desk:not([hidden])').querySelector('{selector}')");
    page.until(&format!("!!{found}?.offsetParent")).await.unwrap();
    page.evaluate(&format!("{found}.click()")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_chats_with_himself_also_across_a_reload_and_a_kill() {
    let mut sandbox = Sandbox::start(Options::default()).await.unwrap();
    let url = sandbox.ready().url.clone();
    let browser = Browser::start().unwrap();
    let mut page = browser.open(&url, 1280, 800).await.unwrap();
    page.until("document.querySelector('#visitor-input')?.disabled === false").await.unwrap();
    page.type_and_enter("#visitor-input", "Where is my tea?").await.unwrap();
    page.until(&format!("{CHAT}.includes('Where is my tea?')")).await.unwrap();

    accept(&mut page).await;
    reply(&mut page, "On its way, <b>really</b>.").await;
    page.until(&format!("{CHAT}.includes('On its way, <b>really</b>.')")).await.unwrap();

    page.evaluate("window.isOld = true; location.reload()").await.unwrap();
    page.until(&format!("!window.isOld && document.querySelector('#visitor [data-part=events]') && {CHAT}.includes('On its way')"))
        .await
        .unwrap();
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());

    sandbox.kill().unwrap();
    page.type_and_enter("#visitor-input", "Are you there?").await.unwrap();
    sandbox.restart().await.unwrap();
    page.until(&format!("{CHAT}.includes('Are you there?')")).await.unwrap();
    // It reached the log, and from there the desk, not only the screen.
    page.until(&format!("!{CHAT}.includes('Not sent') && {THREAD}.includes('Are you there?')"))
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_offer_is_accepted_and_the_conversation_passed_on_to_the_other_agent() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let browser = Browser::start().unwrap();
    let mut page = browser.open(&sandbox.ready().url, 1280, 800).await.unwrap();
    page.until("document.querySelector('#visitor-input')?.disabled === false").await.unwrap();
    page.type_and_enter("#visitor-input", "Where is my tea?").await.unwrap();
    page.until("document.querySelector('#visitor [data-part=placeText]').innerText === 'You are next'")
        .await
        .unwrap();

    click_at_desk(&mut page, ".offer .main").await;
    reply(&mut page, "Let me look.").await;
    page.until(&format!("{CHAT}.includes('Ann has joined') && {CHAT}.includes('Let me look.')"))
        .await
        .unwrap();
    page.until("document.querySelector('#visitor [data-part=place]').hidden").await.unwrap();
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());

    click_at_desk(&mut page, "[data-part=transfer]").await;
    click_at_desk(&mut page, "[data-part=targets] button").await;
    page.until(&format!("{CHAT}.includes('Ann passed you on: Bob has joined')")).await.unwrap();
    click_at_desk(&mut page, "[data-part=goTo]").await;
    page.until(&format!("{THREAD}.includes('Ann passed it on to you')")).await.unwrap();
    reply(&mut page, "It comes tomorrow.").await;
    page.until(&format!("{CHAT}.includes('Let me look.') && {CHAT}.includes('It comes tomorrow.')"))
        .await
        .unwrap();
    let authors = "[...document.querySelectorAll('#visitor .theirs .who')].map(who => who.innerText).join()";
    assert_eq!(page.evaluate(authors).await.unwrap(), "Ann,Bob");
}
