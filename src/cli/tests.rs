//! Commands as they are typed.

use serde_json::Value;
use tempfile::TempDir;

use super::*;

fn parse(line: &str) -> Result<Command, clap::Error> {
    let words = std::iter::once("switchboard").chain(line.split_whitespace());
    Cli::try_parse_from(words).map(|cli| cli.command)
}

/// Runs a command on a data folder.
async fn run(dir: &TempDir, line: &str) -> Result<Value, CliError> {
    match parse(&format!("{line} --data {}", dir.path().display())).unwrap() {
        Command::Tool(tool) => tool.run().await.map(|printed| serde_json::from_str(&printed).unwrap()),
        other => panic!("{other:?} is no tool"),
    }
}

async fn usage(dir: &TempDir, line: &str) -> String {
    let error = run(dir, line).await.unwrap_err();
    assert_eq!(error.exit_code(), 2, "{error}");
    error.to_string()
}

#[test]
fn the_command_line_is_as_published() {
    <Cli as clap::CommandFactory>::command().debug_assert();
    let right = [
        "demo",
        "demo --listen 127.0.0.1:0 --data d --ready-json",
        "demo --ephemeral",
        "serve --config f --listen [::1]:80 --data d --ready-json",
        "admin create --email a@b --name A",
        "admin reset-password --email a@b --password-file f",
        "workspace create --name A",
        "site create --name A --origin https://a.org --origin https://b.org",
        "config check --config f",
        "config show",
        "copy --from a --to b",
        "doctor --config f",
        "openapi",
        "version",
    ];
    for line in right {
        assert!(parse(line).is_ok(), "{line}");
    }
    for line in ["", "serf", "demo --data d --ephemeral", "serve --listen x", "admin create", "config"] {
        assert_eq!(parse(line).unwrap_err().exit_code(), 2, "{line}");
    }
}

#[tokio::test]
async fn an_operator_makes_a_workspace_an_admin_and_a_site() {
    let dir = TempDir::new().unwrap();
    assert!(usage(&dir, "admin create --email a@x.org --name Ann").await.contains("workspace create"));
    let workspace = run(&dir, "workspace create --name Shop --time-zone Europe/Berlin").await.unwrap();
    let admin = run(&dir, "admin create --email a@x.org --name Ann").await.unwrap();
    assert_eq!(admin["workspace_id"], workspace["workspace_id"]);
    assert_eq!(admin["operator"], true);
    let site = run(&dir, "site create --name Shop --origin https://a.org").await.unwrap();
    let second = run(&dir, "site create --name Blog --origin https://b.org").await.unwrap();
    assert_eq!(site["team_id"], second["team_id"]);
    assert_ne!(site["site_key"], second["site_key"]);

    let desk = Desk::open(Source { data: Some(dir.path().into()), config: None }).await.unwrap();
    let login = desk.identity.login("a@x.org", admin["password"].as_str().unwrap()).await.unwrap();
    let teams = desk.identity.teams_of(login.workspace, login.agent.id).await.unwrap();
    assert_eq!(teams.len(), 1, "the team that was made has who was there");
    assert!(desk.identity.site(site["site_key"].as_str().unwrap()).await.is_ok());
}

#[tokio::test]
async fn what_is_ambiguous_or_wrong_is_said_and_exits_with_2() {
    let dir = TempDir::new().unwrap();
    let zone = usage(&dir, "workspace create --name A --time-zone Mars/Base").await;
    assert!(zone.contains("is no time zone"), "{zone}");
    let first = run(&dir, "workspace create --name A").await.unwrap();
    run(&dir, "workspace create --name B").await.unwrap();
    let id = first["workspace_id"].as_str().unwrap();
    assert!(usage(&dir, "admin create --email a@x.org --name A").await.contains(id));
    assert!(
        usage(&dir, "admin create --email a@x.org --name A --workspace ws_x")
            .await
            .contains("no workspace ws_x")
    );
    assert!(usage(&dir, "admin create --email a --name A").await.starts_with("--email must be"));
    assert!(usage(&dir, "admin reset-password --email a@x.org").await.contains("nobody has the e-mail"));
    let origin = usage(&dir, &format!("site create --name A --workspace {id} --origin a.org")).await;
    assert!(origin.starts_with("--origin must be an origin"), "{origin}");

    run(&dir, &format!("admin create --email a@x.org --name A --workspace {id}")).await.unwrap();
    let taken =
        run(&dir, &format!("admin create --email A@x.org --name A --workspace {id}")).await.unwrap_err();
    assert_eq!((taken.exit_code(), taken.to_string().as_str()), (1, "another document has email:a@x.org"));
}

#[tokio::test]
async fn a_password_comes_from_a_file_and_a_reset_ends_log_ins() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("password");
    std::fs::write(&file, "correct horse\r\n").unwrap();
    run(&dir, "workspace create --name A").await.unwrap();
    let from_file = format!("--password-file {}", file.display());
    let admin = run(&dir, &format!("admin create --email a@x.org --name A {from_file}")).await.unwrap();
    assert!(admin.get("password").is_none());

    let server = Desk::open(Source { data: Some(dir.path().into()), config: None }).await.unwrap();
    let login = server.identity.login("a@x.org", "correct horse").await.unwrap();
    let reset = run(&dir, "admin reset-password --email a@x.org").await.unwrap();
    tokio::time::pause();
    tokio::time::advance(std::time::Duration::from_secs(4)).await;
    tokio::time::resume();
    assert!(server.identity.bearer(&login.access_token).await.is_err());
    assert!(server.identity.login("a@x.org", reset["password"].as_str().unwrap()).await.is_ok());

    std::fs::write(&file, "short\n").unwrap();
    let weak = usage(&dir, &format!("admin reset-password --email a@x.org {from_file}")).await;
    assert_eq!(weak, "the password must be 8 to 1024 bytes");
    assert!(
        usage(&dir, "admin reset-password --email a@x.org --password-file /nowhere")
            .await
            .contains("/nowhere")
    );
}

#[test]
fn a_ready_line_is_one_line_and_holds_what_a_demo_made() {
    let plain = Ready { url: "http://127.0.0.1:1", pid: 7, demo: None };
    assert_eq!(plain.to_line(), r#"{"url":"http://127.0.0.1:1","pid":7}"#);
}
