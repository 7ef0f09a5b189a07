//! The commands of README.md, docs/routing.md, docs/storage.md and docs/install.md, as their readers run them: what stands in `sh` blocks.

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
    let path = Path::new(driver::ROOT).join(page);
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
    let path = Path::new(driver::ROOT).join("docs/storage.md");
    let keyspace = format!("page_{:08x}", rand::random::<u32>());
    let script = commands(&fs::read_to_string(path).unwrap())
        .replace("127.0.0.1:9042", &node)
        .replace("keyspace = \"switchboard\"", &format!("keyspace = \"{keyspace}\""));
    let folder = TempDir::new().unwrap();
    let before = "switchboard workspace create --name Shop --data data && \
        switchboard admin create --email ann@example.org --name Ann --data data && \
        switchboard site create --name Shop --origin https://shop.example --data data";
    let bin = binary();
    let mut bash = Command::new("timeout");
    bash.args([SECONDS, "bash", "-c", &format!("{before}\n{script}")]).current_dir(folder.path());
    bash.env_clear().env("PATH", format!("{}:/usr/bin:/bin", bin.parent().unwrap().display()));
    // For `doctor`: no other program's port.
    bash.env("SWITCHBOARD_LISTEN", "127.0.0.1:0");
    bash.stdin(Stdio::null());
    let ran = tokio::task::spawn_blocking(move || bash.output()).await.unwrap().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{wrong}");
    // A workspace, its admin, the site and its team, and the count of changes.
    for word in ["data folder ./data", "copied and compared: 0 conversations", "5 documents", "schema 1"] {
        assert!(said.contains(word), "{word} is missing in what the page said:\n{said}\n{wrong}");
    }
}

/// Its readers have the program on their path, folders of their own, and `sudo`.
#[test]
fn the_page_on_installing_ends_with_two_agents() {
    let page = Path::new(driver::ROOT).join("docs/install.md");
    let page = fs::read_to_string(page).unwrap();
    // What it prints is what is kept, and tried with the real proxies.
    for file in ["deploy/switchboard.service", "deploy/nginx.conf", "deploy/Caddyfile"] {
        let kept = fs::read_to_string(Path::new(driver::ROOT).join(file)).unwrap();
        assert!(page.contains(&format!("\n{kept}```\n")), "docs/install.md prints another {file}");
    }
    let folder = TempDir::new().unwrap();
    let here = folder.path().display().to_string();
    let script = commands(&page)
        .replace("sudo -u switchboard ", "")
        .replace("/etc/switchboard", &here)
        .replace("/var/lib/switchboard", &format!("{here}/data"))
        .replace("127.0.0.1:8080", "127.0.0.1:0");
    let mut bash = Command::new("timeout");
    bash.args([SECONDS, "bash", "-c", &script]).current_dir(folder.path()).stdin(Stdio::null());
    bash.env_clear().env("PATH", format!("{}:/usr/bin:/bin", binary().parent().unwrap().display()));
    let ran = bash.output().unwrap();
    let (said, wrong) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{said}\n{wrong}");
    assert!(!wrong.contains("warning"), "{wrong}");
    for word in [
        "the configuration is right",
        "ann@example.org, bob@example.org",
        "\"password\"",
        "pk_",
        "ok    agents: 3, 2 of them in a team",
        "ok    trusted_proxies",
        "warn  public_url https://chat.example.org: not tried, for no server runs",
    ] {
        assert!(said.contains(word), "{word} is missing in what the page said:\n{said}\n{wrong}");
    }
}
