//! What whoever runs the server is told: in its log when it serves, and by its metrics.

use driver::{Options, Sandbox};
use serde_json::Value;

#[tokio::test]
async fn a_demo_logs_where_it_serves() {
    let options = Options::default().setting("log.format", "json");
    let mut sandbox = Sandbox::start(options).await.unwrap();
    let url = sandbox.ready().url.clone();
    assert_eq!(sandbox.terminate().await.unwrap(), 0);
    let log = sandbox.log().unwrap();
    let lines: Vec<Value> = log.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let serving: Vec<&Value> = lines.iter().filter(|line| line.to_string().contains("\"serving\"")).collect();
    let [serving] = serving.as_slice() else { panic!("{log}") };
    assert_eq!(serving["level"], "INFO", "{serving}");
    assert!(serving.to_string().contains(&url), "{serving}");
}

#[tokio::test]
async fn metrics_stand_in_the_document_of_the_listener_that_serves_them() {
    let documented = async |sandbox: &Sandbox| {
        let document = sandbox.api().get("/api/v1/openapi.json").send().await.unwrap().expect(200).unwrap();
        let served = sandbox.api().get("/metrics").send().await.unwrap().status;
        (document["paths"].get("/metrics").is_some(), served)
    };
    let here = Sandbox::start(Options::default()).await.unwrap();
    assert_eq!(documented(&here).await, (true, 200));
    let apart = Sandbox::start(Options::default().setting("metrics_listen", "127.0.0.1:0")).await.unwrap();
    assert_eq!(documented(&apart).await, (false, 404));
}
