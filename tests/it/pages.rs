//! The commands of README.md, docs/routing.md and docs/storage.md, as their readers run them: what stands in `sh` blocks.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use driver::{Options, Sandbox, binary, cql};
use serde_json::json;
use tempfile::TempDir;

/// How long all commands of a page may take.
const SECONDS: &str = "90";

/// What stands in the page's shell blocks.
fn commands(page: &str) -> String {
    let mut script = String::from("set -euo pipefail\n");
    let mut inside = false;
    for line in page.lines() {
        match line {
            "```sh" => inside = true,
            "```" => inside = false,
            _ if inside => script.extend([line, "\n"]),
            _ => {}
        }
    }
    script
}

/// Runs them beside a demo of their own, whose `ready.json` they find, and looks for these words in what they say.
async fn runs(page: &str, words: &[&str]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    let script = commands(&fs::read_to_string(path).unwrap());
    // A demo as it is, but for the patience of a slow machine.
    let options = Options::unlimited().setting("routing.agent_grace_s", "60");
    let sandbox = Sandbox::start(options.setting("routing.accept_timeout_s", "60")).await.unwrap();
    let ready = sandbox.ready();
    let login = |email: &str, password: &str| json!({ "email": email, "password": password });
    let told = json!({
        "url": ready.url, "site_key": ready.site_key, "team_id": ready.team_id,
        "admin": login(&ready.admin.email, &ready.admin.password),
        "agents": ready.agents.iter().map(|one| login(&one.email, &one.password)).collect::<Vec<_>>(),
    });
    fs::write(sandbox.folder().join("ready.json"), told.to_string()).unwrap();
    let mut bash = Command::new("timeout");
    bash.args([SECONDS, "bash", "-c", &script]).current_dir(sandbox.folder()).stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || bash.output()).await.unwrap().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{wrong}");
    for word in words {
        assert!(said.contains(word), "{word} is missing in what {page} said:\n{said}\n{wrong}");
    }
}

#[tokio::test]
async fn the_quick_start_of_the_readme_is_a_conversation() {
    let words = [
        r#""status":"online""#,
        r#""state":"assigned""#,
        r#""text":"Hello, where is my order?""#,
        r#""text":"I am looking.""#,
        r#""last_seq":4"#,
    ];
    runs("README.md", &words).await;
}

#[tokio::test]
async fn the_page_on_routing_shows_what_it_says() {
    let words = [
        r#""reason":"offered","rule":"least_busy""#,
        r#""reason":"accept","rule":"least_busy""#,
        r#""excluded_by":"passed_over""#,
        r#""excluded_by":"released""#,
        r#""reason":"auto""#,
        r#""excluded_by":"language""#,
        r#""online":2,"waiting":1"#,
        r#""queue_position":3"#,
        r#""accepting":false"#,
    ];
    runs("docs/routing.md", &words).await;
}

/// Its readers have `switchboard` on their path, a store of their own on SQLite, and a CQL server.
#[tokio::test]
async fn the_page_on_storage_moves_an_installation_to_cql() {
    let Some(node) = cql::contact_point() else { return };
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/storage.md");
    let keyspace = format!("page_{:08x}", rand::random::<u32>());
    let script = commands(&fs::read_to_string(path).unwrap())
        .replace("127.0.0.1:9042", &node)
        .replace("keyspace = \"switchboard\"", &format!("keyspace = \"{keyspace}\""));
    let folder = TempDir::new().unwrap();
    let before = "switchboard workspace create --name Shop --data data && \
        switchboard admin create --email ann@example.org --name Ann --data data";
    let bin = binary();
    let mut bash = Command::new("timeout");
    bash.args([SECONDS, "bash", "-c", &format!("{before}\n{script}")]).current_dir(folder.path());
    bash.env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.parent().unwrap().display()));
    bash.stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || bash.output()).await.unwrap().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{wrong}");
    for word in ["data folder ./data", "copied and compared: 0 conversations", "2 documents", "schema 1"] {
        assert!(said.contains(word), "{word} is missing in what the page said:\n{said}\n{wrong}");
    }
}
