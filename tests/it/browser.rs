//! The demo's page in a real browser: what a newcomer sees and does.

use driver::{Browser, Options, Page, Sandbox};

/// The visitor's bubbles, and those of the desk that is shown.
const CHAT: &str = "document.querySelector('#visitor [data-part=events]').innerText";
const THREAD: &str =
    "document.querySelector('#desk .desk:not([hidden]) .thread [data-part=events]').innerText";

async fn accept(page: &mut Page) {
    let button = "document.querySelector('#desk .desk:not([hidden]) button.accept')";
    page.until(&format!("!!{button}")).await.unwrap();
    page.evaluate(&format!("{button}.click()")).await.unwrap();
    page.until(&format!("{THREAD}.includes('Where is my tea?')")).await.unwrap();
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
    let desk_input = "#desk .desk:not([hidden]) .thread textarea";
    page.until(&format!("document.querySelector('{desk_input}')?.disabled === false")).await.unwrap();
    page.type_and_enter(desk_input, "On its way, <b>really</b>.").await.unwrap();
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
