//! The demo's page in a real browser: what a newcomer sees.

use driver::{Browser, Options, Sandbox};

#[tokio::test(flavor = "multi_thread")]
async fn a_newcomer_chats_with_himself() {
    let sandbox = Sandbox::start(Options::default()).await.unwrap();
    let browser = Browser::start().unwrap();
    let mut page = browser.open(&sandbox.ready().url, 1280, 800).await.unwrap();
    page.until("document.body.innerText.length > 0").await.unwrap();
    assert!(page.complaints().is_empty(), "{:?}", page.complaints());
}
